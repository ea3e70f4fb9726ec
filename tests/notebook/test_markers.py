"""The marks that a person leaves in a cell are read, or refused with what to type instead."""

import pytest

from mlops_nb.errors import NotebookError
from mlops_nb.notebook.markers import frozen, marks, names_in
from mlops_nb.notebook.model import Cell


def cell(source, *tags):
    return Cell(index=3, position=5, id="a", source=source, tags=frozenset(tags))


def read(source, *tags):
    return [(m.word, m.args, dict(m.options)) for m in marks(cell(source, *tags))]


@pytest.mark.parametrize(
    "source",
    [
        "%mlops step a",
        "%%mlops step a",
        "# mlops: step a",
        "#mlops: step a  # why",
        "x = 0\n%mlops step a\ny = 1",
        "%mlops  step\ta",
    ],
)
def test_every_form_of_a_step_mark_means_the_same(source):
    assert read(source) == [("step", ("a",), {})]


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("--in x,y", {"--in": "x,y"}),
        ("--in 'x, y'", {"--in": "x, y"}),
        ("--out=model", {"--out": "model"}),
        ("--after load", {"--after": "load"}),
        ("--no-reuse", {"--no-reuse": ""}),
        ("--snapshot 1d", {"--snapshot": "1d"}),
        ("--retries 2", {"--retries": "2"}),
        ("--timeout 1.5", {"--timeout": "1.5"}),
        ("--no-reuse --retries 2 --in x", {"--no-reuse": "", "--retries": "2", "--in": "x"}),
    ],
)
def test_a_step_takes_each_option(words, options):
    assert read(f"%mlops step a {words}") == [("step", ("a",), options)]
    assert read(f"%mlops step {words} a") == [("step", ("a",), options)]


def test_model_metric_and_evaluate_are_declared():
    source = (
        "%mlops model clf --name flights --features prepare\n"
        "%mlops metric auc f1\n"
        "%mlops evaluate --truth y --pred p --score s --by origin,carrier"
    )
    assert read(source) == [
        ("model", ("clf",), {"--name": "flights", "--features": "prepare"}),
        ("metric", ("auc", "f1"), {}),
        ("evaluate", (), {"--truth": "y", "--pred": "p", "--score": "s", "--by": "origin,carrier"}),
    ]


@pytest.mark.parametrize(
    ("source", "what", "fix"),
    [
        ("%mlops step", "no name for a step", "%mlops step train"),
        ("%mlops step a b", "'a b' is no name", "%mlops step train"),
        ("%mlops step 'a b'", "'a b' is no name", "%mlops step train"),
        ("%mlops step a!b", "'a!b' is no name", "letters, digits"),
        ("%mlops step a --bogus 1", "no option '--bogus'", "--after, --in, --no-reuse"),
        ("%mlops step a --in", "gives --in no value", "--in VALUE"),
        ("%mlops step a --in --out x", "gives --in no value", "--in VALUE"),
        ("%mlops step a --in=", "gives --in no value", "--in VALUE"),
        ("%mlops step a --retries two", "takes a number, not 'two'", "--retries 2"),
        ("%mlops step a --retries 1.5", "takes a number, not '1.5'", "--retries 2"),
        ("%mlops step a --timeout 1h", "takes a number, not '1h'", "--timeout 2"),
        ("%mlops step 'a", "No closing quotation", "close the quotes"),
        ("%mlops step a\n# mlops: step b", "two step marks", "split the cell"),
        ("%mlops model", "holds a model", "%mlops model clf"),
        ("%mlops model a b", "'a b' is no name", "%mlops model clf"),
        ("%mlops model 3x", "'3x' is no name", "%mlops model clf"),
        ("%mlops model clf --nmae x", "no option '--nmae'", "--features, --lookup, --name"),
        ("%mlops evaluate --truth y --min-n few", "takes a number, not 'few'", "--min-n 2"),
        ("%mlops evaluate --truth y --quantile 1", "between 0 and 1, not '1'", "--quantile 0.9"),
        ("%mlops evaluate --truth y --quantile 0.0", "between 0 and 1", "--quantile 0.9"),
        ("%mlops metric auc --by x", "no option '--by'", "use one of --from"),
        ("%mlops metric a b --from f", "takes one metric", "--from business_cost"),
        ("%mlops metric a --from f.g", "takes one metric", "--from business_cost"),
        ("%mlops metric a --from", "gives --from no value", "--from VALUE"),
        (
            "%mlops evaluate --truht y",
            "no option '--truht'",
            "--by, --min-n, --pred, --quantile, --query, --score",
        ),
    ],
)
def test_a_mark_that_cannot_be_meant_is_refused(source, what, fix):
    with pytest.raises(NotebookError) as refused:
        marks(cell(source))
    assert what in refused.value.what
    assert fix in refused.value.fix
    assert refused.value.where.startswith("cell ")


@pytest.mark.parametrize(
    "source",
    [
        "",
        "%mlops",
        "%mlops graph",
        "%mlops steps a",
        "x = '%mlops step a'",
        "# MLOPS: step a",
        "x = 1  # mlops: step a",
        "# mlops: the extension is not needed in a job",
    ],
)
def test_what_declares_nothing_is_no_mark(source):
    assert read(source) == []


def test_a_tag_marks_a_step_and_a_mark_in_the_text_wins():
    assert read("x = 1", "step:load", "hide") == [("step", ("load",), {})]
    assert read("%mlops step train", "step:load") == [("step", ("train",), {})]


def test_two_step_tags_are_refused_and_so_is_a_bad_name():
    with pytest.raises(NotebookError, match="two step marks"):
        marks(cell("x", "step:a", "step:b"))
    with pytest.raises(NotebookError, match="'two words' is no name"):
        marks(cell("x", "step:two words"))


@pytest.mark.parametrize(
    ("text", "names"), [(None, ()), ("", ()), ("a", ("a",)), ("a,b  c,", ("a", "b", "c"))]
)
def test_names_are_split_at_commas_and_blanks(text, names):
    assert names_in(text) == names


@pytest.mark.parametrize(
    "source",
    [
        "%mlops step load --out raw\nx = 1",
        "%%mlops step load --after b\nx = 1",
        "%mlops metric auc\n%mlops model clf --name m\nx = 1",
    ],
)
def test_a_frozen_mark_is_a_comment_that_means_the_same(source):
    text = frozen(source)
    assert "%" not in text
    assert read(text) == read(source)
    assert frozen(text) == text


def test_a_frozen_cell_does_not_load_the_extension():
    assert "load_ext" not in frozen("%load_ext mlops_nb\n%load_ext autoreload").splitlines()[0]
    assert frozen("%load_ext autoreload") == "%load_ext autoreload"
