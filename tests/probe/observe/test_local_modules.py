"""Modules beside the notebook are told by what they hold; installed ones are not looked into."""

import sys
import types

import pytest

from mlops_nb.probe.observe import local_modules
from mlops_nb.probe.observe.local_modules import LONG, is_local


def state(name):
    local_modules.forget()
    return local_modules.state(name)


@pytest.fixture
def beside(tmp_path, monkeypatch):
    (tmp_path / "beside_it.py").write_text("count = 0\nlog = []\ndef f(): return count\n")
    monkeypatch.syspath_prepend(tmp_path)
    import beside_it

    yield beside_it
    del sys.modules["beside_it"]


def test_a_file_of_the_user_is_local_and_a_package_is_not(beside):
    assert is_local("beside_it")
    assert not is_local("json")
    assert not is_local("pytest")
    assert not is_local("sys")
    assert not is_local("__main__")
    assert not is_local("no_such_module")
    assert not is_local(None)


def test_a_module_made_by_hand_is_local(monkeypatch):
    monkeypatch.setitem(sys.modules, "made_by_hand", types.ModuleType("made_by_hand"))
    assert is_local("made_by_hand")


def test_what_a_module_holds_tells_its_state_and_its_code_does_not(beside):
    before = state("beside_it")
    beside.f = lambda: 3
    assert state("beside_it") == before
    beside.log.append(1)
    assert state("beside_it") != before
    beside.log.clear()
    assert state("beside_it") == before
    beside.count += 1
    assert state("beside_it") != before


def test_a_long_table_is_told_by_its_length(beside):
    beside.table = [0] * (LONG + 1)
    before = state("beside_it")
    beside.table.append(0)
    assert state("beside_it") != before
