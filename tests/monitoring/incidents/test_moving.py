"""Movement as an incident: while columns come and go it is one, and after two weeks another one."""

from datetime import date, timedelta

from mlops_nb.events import ModelWatched
from mlops_nb.monitoring.incidents import moving
from mlops_nb.monitoring.live.movement import Movement

START = date(2026, 3, 1)


def looks(pattern):
    """Return the signals of daily looks, at each of which some columns moved."""
    before, found = None, []
    for number, names in enumerate(pattern):
        today = START + timedelta(days=number)
        moved = [
            Movement(column=n, statistic="ks", value=0.2, threshold=0.1, direction="higher")
            for n in names
        ]
        window = ((today - timedelta(days=7)).isoformat(), today.isoformat())
        signals = tuple(moving.of_movement(moved, window, 40, before))
        before = ModelWatched(job="m", model="m", version=1, signals=signals)
        found.append(signals)
    return found


def test_columns_that_come_and_go_are_one_incident():
    found = looks(["a", "ab", "", "b", "", "", "c"])
    assert {one["incident"] for signals in found for one in signals} == {"2026-02-22"}
    assert [[one["kind"] for one in signals] for signals in found] == [
        ["movement"],
        ["movement", "movement"],
        ["settled"],
        ["movement"],
        ["settled"],
        ["settled"],
        ["movement"],
    ]


def test_a_column_that_still_moves_keeps_the_day_on_which_it_began():
    found = looks(["a", "ab", "ab"])
    assert [(one["name"], one["since"]) for one in found[-1]] == [
        ("a", "2026-02-22"),
        ("b", "2026-02-23"),
    ]


def test_two_weeks_without_movement_end_an_incident():
    quiet = moving.QUIET.days
    found = looks(["a", *[""] * (quiet + 1), "a"])
    assert [one["kind"] for one in found[quiet]] == ["settled"]
    assert found[quiet + 1] == ()
    (again,) = found[-1]
    assert again["incident"] == again["since"] != "2026-02-22"


def test_nothing_that_moved_is_no_signal():
    assert looks(["", ""]) == [(), ()]
