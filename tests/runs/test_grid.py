"""The points of a sweep, and what they share."""

import pytest

from mlops_nb.errors import ParameterError
from mlops_nb.notebook import pipeline as notebook_pipeline
from mlops_nb.notebook.model import Cell, Notebook
from mlops_nb.notebook.parameters import parameters
from mlops_nb.runs import grid

KNOWN = parameters("depth = 2\nrate = 0.5\nkind = 'gini'\nquick = True")


def checked(*texts, **fixed):
    return grid.checked(grid.read(texts), fixed, KNOWN, "n.ipynb")


def pipeline(*sources):
    """Return the pipeline of cells, the first of which holds the parameters."""
    cells = tuple(
        Cell(
            index=n,
            position=n,
            id=str(n),
            source=text,
            tags=frozenset({"parameters"} if n == 0 else ()),
        )
        for n, text in enumerate(sources)
    )
    return notebook_pipeline.pipeline(Notebook(name="n.ipynb", cells=cells))


def test_values_are_typed_as_those_of_p_are():
    found = checked("depth=2, 4", "rate=1,0.5", "kind=gini,3", "quick=True,False")
    assert found == {
        "depth": (2, 4),
        "rate": (1, 0.5),
        "kind": ("gini", "3"),
        "quick": (True, False),
    }
    assert type(found["rate"][0]) is int


def test_points_are_every_combination_in_the_order_given():
    found = grid.points({"b": (2, 1), "a": ("x", "y")})
    assert found == ({"b": 2, "a": "x"}, {"b": 2, "a": "y"}, {"b": 1, "a": "x"}, {"b": 1, "a": "y"})


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ((), "nothing to sweep over"),
        (("depth",), "no NAME=V1,V2"),
        (("=2,3",), "no NAME=V1,V2"),
        (("depth=",), "'depth' has no values"),
        (("depth=2", "depth=3"), "'depth' is given twice"),
        (("depth=2,2",), "has the value 2 twice"),
        (("rate=1,1.0",), "twice"),
        (("dept=2",), "there is no parameter 'dept'"),
        (("depth=2,deep",), "'depth' takes int"),
        (("depth=2,,3",), "'depth' takes int"),
    ],
)
def test_what_is_no_grid_is_refused(texts, said):
    with pytest.raises(ParameterError) as caught:
        checked(*texts)
    assert said in caught.value.what
    assert caught.value.fix


def test_a_name_of_both_g_and_p_is_refused():
    with pytest.raises(ParameterError, match="by -g and by -p"):
        checked("depth=2,3", depth=4)


def test_what_no_swept_parameter_touches_is_shared():
    found = pipeline(
        "depth = 2\nshare = 0.3",
        "twice = depth * 2",
        "# mlops: step load\nrows = [1, 2, 3]",
        "# mlops: step split\npart = rows[: int(share * 10)]",
        "# mlops: step train\nmodel = [twice * r for r in part]",
        "# mlops: step judge\nauc = sum(model)",
        "# mlops: step look\nlongest = max(rows)",
    )
    assert grid.shared(found, ["depth"]) == ("load", "split", "look")
    assert grid.shared(found, ["share"]) == ("twice", "load", "look")
    assert grid.shared(found, ["depth", "share"]) == ("load", "look")
