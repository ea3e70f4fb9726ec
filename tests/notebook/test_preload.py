"""What may be imported before a notebook runs: whatever it does first changes none of it."""

import pytest

from mlops_nb.notebook.cells import python_of
from mlops_nb.notebook.preload import preload


def ready(*cells: str) -> tuple[set[str], dict[str, str]]:
    found = preload(python_of(cell) for cell in cells)
    return set(found.modules), dict(found.variables)


def test_every_import_is_ready_where_nothing_changes_what_it_depends_on():
    cells = (
        "import os, a.b",
        "x = os.environ['HOME']\ny = os.environ.get('Z', 'z')",
        "from c import d",
    )
    assert ready(*cells) == ({"os", "a.b", "c", "c.d"}, {})


@pytest.mark.parametrize(
    "change",
    [
        "os.environ['A'] = value",
        "os.environ.update(A='1')",
        "os.environ |= {'A': '1'}",
        "os.environ.setdefault('A', '1')",
        "del os.environ['A']",
        "environ['A'] = str(1)",
        "if here:\n    os.environ['A'] = '1'",
        "os.putenv('A', '1')",
        "load_dotenv()",
        "%dotenv",
        "%env A=$HOME",
        "%set_env A {x}",
        "sys.path.insert(0, '../src')",
        "sys.path = ['../src', *sys.path]",
        "sys.path[0:0] = ['../src']",
        "sys.modules['b'] = fake",
        "!pip install b",
        "!{sys.executable} -m pip install -q 'b>2'",
        "%pip install b",
        "%conda install b",
        "out = !uv pip install b",
        "%%bash\npip install b",
        "subprocess.check_call([sys.executable, '-m', 'pip', 'install', 'b'])",
        "sys.path.remove('')",
        "%run settings.py",
        "from os import environ as settings",
        "settings = os.environ",
    ],
)
def test_what_is_imported_after_a_change_is_the_notebook_s_own_affair(change):
    assert ready("import os, sys, a", change, "import b") == ({"os", "sys", "a"}, {})


@pytest.mark.parametrize(
    "text",
    [
        "sys.path.append('../src')",
        "%env",
        "%env HOME",
        "print(os.environ)",
        "!pip list",
        "print('to install it: conda')",
        "%matplotlib inline",
        "paths = dict(environ.items())",
        "table.path.insert(0, 1)",
        "import (",
    ],
)
def test_what_changes_nothing_stops_nothing(text):
    assert "b" in ready("import os, sys, a", text, "import b")[0]


def test_a_change_in_the_middle_of_a_cell_divides_it():
    cell = "import os, a\nos.environ['A'] = f()\nimport b"
    assert ready(cell) == ({"os", "a"}, {})
    assert ready("def f():\n    import a\n    os.environ['A'] = g()\n    import b") == ({"a"}, {})


@pytest.mark.parametrize("setting", ["os.environ['A'] = '1'", "%env A=1", "%set_env A = 1"])
def test_a_variable_set_before_anything_may_look_is_set_for_the_imports_too(setting):
    assert ready("import os, warnings", setting, "import b") == (
        {"os", "warnings", "b"},
        {"A": "1"},
    )
    assert ready("import os, a", setting, "import b") == ({"os", "a"}, {})  # `a` did not see it


def test_local_modules_are_never_ready_nor_is_what_follows_them():
    assert preload(["import c", "import a.b, d", "import e"], local={"a"}).modules == ("c", "d")
