"""Local modules that a notebook imports travel with it, at any remove."""

import pytest

from mlops_nb.notebook.local_modules import carried, imported, roots

LOCAL = {
    "a": {"a.py": "from b.c import d\nimport json"},
    "b": {"b/__init__.py": "", "b/c.py": "from . import e\nimport a\nimport f", "b/data.txt": "x"},
    "f": {"f.py": "def broken(:"},
}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import a.b, c as d", {"a.b", "c"}),
        ("from a import b as x, c", {"a", "a.b", "a.c"}),
        ("from . import a\nfrom .b import c", set()),
        ("def f():\n    import a", {"a"}),
        ("try:\n    import a\nexcept ImportError:\n    import b as a", {"a", "b"}),
        ("import (", set()),
    ],
)
def test_absolute_imports_are_told_wherever_they_stand(source, names):
    assert imported(source) == names


def test_roots_are_the_first_words():
    assert roots({"a.b.c", "a", "d"}) == {"a", "d"}


def test_what_is_imported_by_what_is_imported_comes_along_and_circles_end():
    assert carried(["import a, numpy"], LOCAL.get) == LOCAL["a"] | LOCAL["b"] | LOCAL["f"]


def test_what_is_not_local_is_left_where_it_is():
    assert carried(["import numpy", "x = ("], LOCAL.get) == {}
