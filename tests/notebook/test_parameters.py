"""The parameters cell: what a run may replace, and whether a value fits."""

import json
import shlex

import pytest

from mlops_nb.errors import ParameterError
from mlops_nb.notebook.parameters import Word, checked, parameters, typed


def told(source):
    return {p.name: (p.value, p.type) for p in parameters(source)}


@pytest.mark.parametrize(
    ("source", "value", "kind"),
    [
        ("a = 3", 3, "int"),
        ("a = -1", -1, "int"),
        ("a = 0.5", 0.5, "float"),
        ("a = 1e3", 1000.0, "float"),
        ("a = 'x'", "x", "str"),
        ("a = True", True, "bool"),
        ("a = None", None, "any"),
        ("a = [1, 2]", [1, 2], "list"),
        ("a = (1, 2)", [1, 2], "list"),
        ("a = {'b': 1}", {"b": 1}, "dict"),
        ("a: float = 1", 1, "float"),
        ("a: int", None, "any"),
        ("a = f()", None, "any"),
        ("a = 10 ** 6", None, "any"),
        ("a = 1\na = 'x'", "x", "str"),
        ("%mlops step a\na = 1", 1, "int"),
        ("a: float | None = 3", 3, "any"),
        ("a: Optional[int] = 3", 3, "any"),
        ("a: typing.Union[int, str] = 3", 3, "any"),
        ("a: 'float' = 1", 1, "float"),
        ("a: 'no type' = 1", 1, "int"),
        ("a: list[int] = [1]", [1], "list"),
        ("a = b'x'", None, "any"),
        ("a = ...", None, "any"),
    ],
)
def test_a_parameter_has_its_default_and_its_type(source, value, kind):
    assert told(source) == {"a": (value, kind)}
    assert type(told(source)["a"][0]) is type(value)


@pytest.mark.parametrize("source", ["", "if c: a = 1", "a += 1", "import a", "x = (", "d['a'] = 1"])
def test_what_is_no_plain_assignment_is_no_parameter(source):
    assert parameters(source) == ()


@pytest.mark.parametrize("source", ["lo, hi = 1, 10", "[lo, hi] = (1, 10)"])
def test_an_assignment_to_several_names_binds_a_parameter_each(source):
    assert told(source) == {"lo": (1, "int"), "hi": (10, "int")}
    assert told("lo, hi = pair()") == {"lo": (None, "any"), "hi": (None, "any")}


def test_parameters_keep_their_order_and_can_be_written_as_json():
    found = parameters("z = 1\na = {1}\nm = ((1, 2), [3])\nk = {'x': (1,)}")
    assert [p.name for p in found] == ["z", "a", "m", "k"]
    assert json.loads(json.dumps([p.value for p in found])) == [1, [1], [[1, 2], [3]], {"x": [1]}]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ("True", True),
        ("False", False),
        ("None", None),
        ("true", "true"),
        ("", ""),
        ("2013-02-01", "2013-02-01"),
        ("[1]", [1]),
        ("[1, None]", [1, None]),
        ("[a, b]", ["a", "b"]),
        ("{a: [1]}", {"a": [1]}),
        ("[", "["),
    ],
)
def test_a_word_of_the_command_line_is_typed_as_papermill_types_it(word, value):
    assert typed(word) == value
    assert type(typed(word)) is type(value)


@pytest.mark.parametrize(
    ("source", "given", "fitted"),
    [
        ("a = 0.5", 1, 1),
        ("a = 1", 2, 2),
        ("a: float = 1", 0.5, 0.5),
        ("a = 'x'", 3, "3"),
        ("a = 'x'", True, "True"),
        ("a = None", [1], [1]),
        ("a = f()", "x", "x"),
        ("a = [1]", [], []),
        ("a = True", False, False),
        ("a: float | None = 1", None, None),
    ],
)
def test_a_value_that_fits_is_taken(source, given, fitted):
    found = checked({"a": given}, parameters(source), "n.ipynb")["a"]
    assert found == fitted
    assert type(found) is type(fitted)


@pytest.mark.parametrize(
    ("source", "given", "says"),
    [
        ("a = 1", 0.5, "takes int"),
        ("a = 1", "x", "takes int"),
        ("a = 1", True, "is bool"),
        ("a = 0.5", True, "is bool"),
        ("a = 0.5", "x", "takes float"),
        ("a = True", 1, "takes bool"),
        ("a = 1", None, "is NoneType"),
        ("a = [1]", "x", "takes list"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_what_would(source, given, says):
    with pytest.raises(ParameterError) as refused:
        checked({"a": given}, parameters(source), "n.ipynb")
    assert says in refused.value.what
    assert "-p a" in refused.value.fix
    assert refused.value.where == "n.ipynb"


def test_the_mend_of_a_list_can_be_typed_as_it_stands():
    with pytest.raises(ParameterError) as refused:
        checked({"a": 1}, parameters("a = ['x y']"), "n.ipynb")
    word = shlex.split(refused.value.fix.partition("give it as -p a ")[2].partition(", say;")[0])
    assert checked({"a": Word(word[0])}, parameters("a = ['x y']"), "n.ipynb") == {"a": ["x y"]}


def test_an_unknown_name_is_refused_with_the_nearest_known():
    with pytest.raises(ParameterError) as refused:
        checked({"depht": 1}, parameters("depth = 2\nrate = 0.5"), "n.ipynb")
    assert "did you mean 'depth'? the parameters are depth (int), rate (float)" in refused.value.fix


def test_without_a_parameters_cell_the_mend_is_to_tag_one():
    with pytest.raises(ParameterError) as refused:
        checked({"depth": 1}, (), "n.ipynb")
    assert "no cell tagged 'parameters'" in refused.value.what
    assert "`depth = …`" in refused.value.fix
