"""Where a frame's columns come from is told by what they hold."""

import pandas as pd
import pytest

from mlops_nb.probe.inspect import column_origins as told


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(told, "_known", {})


def frame(**columns: list) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_a_column_that_was_carried_over_is_known_whatever_its_name_is_now():
    raw = frame(a=[1, 2], b=["x", "y"])
    assert told.origins("raw", raw) == {}
    made = raw.rename(columns={"b": "c"}).assign(d=[5, 6])
    assert told.origins("made", made) == {"a": [["raw", "a"]], "c": [["raw", "b"]]}


def test_other_values_order_kinds_or_rows_are_another_column():
    told.origins("raw", frame(a=[1, 2]))
    others = (frame(a=[2, 1]), frame(a=[1.0, 2.0]), frame(a=[1]), frame(a=[1, 3]), frame(a=[]))
    for number, other in enumerate(others):
        assert "a" not in told.origins(f"other{number}", other), number


def test_of_columns_that_are_alike_the_one_of_the_same_name_is_meant_or_none():
    told.origins("raw", frame(a=[0, 1], b=[0, 1]))
    found = told.origins("made", frame(a=[0, 1], c=[0, 1]))
    assert found == {"a": [["raw", "a"]]}
    told.origins("raw", frame(a=[5, 6]))
    assert told.origins("made", frame(b=[5, 6], c=[5, 6])) == {}


def test_values_that_are_all_the_same_come_from_nowhere():
    told.origins("raw", frame(flag=[0, 0, 0], n=[1, 2, 3]))
    assert told.origins("made", frame(label=[0, 0, 0], flag=[0, 0, 0])) == {}
    assert told.origins("one", frame(n=[7])) == told.origins("other", frame(n=[7])) == {}


def test_a_frame_under_its_old_name_comes_from_what_it_was():
    told.origins("df", frame(a=[1, 2], b=[3, 4]))
    assert told.origins("df", frame(a=[1, 2], b=[0, 1])) == {"a": [["df", "a"]]}
    assert told.origins("df", frame(b=[3, 4])) == {}  # that was before the last


def test_values_without_a_content_come_from_nowhere():
    told.origins("raw", frame(a=[(n for n in "a")]))
    assert told.origins("made", frame(a=[(n for n in "a")])) == {}
