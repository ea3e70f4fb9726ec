"""Errors say what, where and what to type; events are stored and come back."""

import json
import pickle
import typing

import pytest
from msgspec import structs

from mlops_nb import errors, events

ERRORS = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)]
SAMPLES = {
    "str": "läuft — 실행",
    "int": 7,
    "float": 0.125,
    "bool": True,
    "int | None": 3,
    "tuple[int, str]": (12, "1357.5"),
    "tuple[str, ...]": ("a", "b"),
    "tuple[int, ...]": (1, 2),
}


def filled(kind):
    """Return an event of a kind with no field left at its default."""
    values = {}
    for field in structs.fields(kind):
        hint = str(field.type) if not isinstance(field.type, type) else field.type.__name__
        hint = hint.replace("typing.", "").replace("collections.abc.", "")
        if hint.startswith(("Mapping[str, collections", "Mapping[str, Mapping")):
            values[field.name] = {"x": {"y": 0.5}}
        elif hint.startswith("Mapping"):
            values[field.name] = {"x": 0.5}
        elif hint.startswith("tuple[Mapping"):
            values[field.name] = ({"gate": "auc > 0", "passed": True},)
        else:
            values[field.name] = SAMPLES[hint]
    return kind(**values)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda e: e.__name__)
def test_an_error_survives_pickling(kind):
    error = kind("it broke", fix="mend it", where="cell 3")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (copy.what, copy.fix, copy.where) == ("it broke", "mend it", "cell 3")
    assert str(copy) == "error: it broke (cell 3)\n  fix: mend it"


@pytest.mark.parametrize("kind", ERRORS, ids=lambda e: e.__name__)
def test_what_is_refused_ends_with_2_and_what_failed_with_1(kind):
    expected = 2 if issubclass(kind, errors.Refused) else 1
    assert kind.exit_status == expected
    assert issubclass(kind, errors.MlopsError)


def test_every_error_is_drawn_at_the_head_of_the_file():
    assert all(f"{e.__name__} " in f"{errors.__doc__} ".replace("\n", " ") for e in ERRORS)


def test_an_error_without_a_place_has_no_empty_brackets():
    assert str(errors.RunFailed("it broke", fix="mend it")) == "error: it broke\n  fix: mend it"


def test_errors_can_be_put_into_sets_and_chained():
    error = errors.JobError("a", fix="b")
    assert len({error, errors.JobError("a", fix="b")}) == 2
    error.add_note("kept")
    assert error.__notes__ == ["kept"]


@pytest.mark.parametrize("kind", events.KINDS.values(), ids=lambda k: k.__name__)
def test_an_event_of_every_kind_comes_back_from_json(kind):
    event = filled(kind)
    record = json.loads(json.dumps(events.as_record(event)))
    assert not {"run", "job", "at", "id"} & set(record)
    envelope = {name: getattr(event, name) for name in ("run", "job", "at", "id")}
    back = events.from_record(kind.__name__, record, **envelope)
    assert type(back) is kind
    assert json.dumps(structs.asdict(back)) == json.dumps(structs.asdict(event))


def test_every_kind_of_event_is_known_by_its_name():
    assert {kind.__name__: kind for kind in events.Event.__subclasses__()} == events.KINDS
    assert len(events.KINDS) > 15


def test_an_event_of_a_later_version_is_passed_over_and_a_new_field_ignored():
    assert events.from_record("Teleported", {"cell": 1}) is None
    found = events.from_record("CellStarted", {"cell": 1, "colour": "red"}, run="r")
    assert found == events.CellStarted(run="r", cell=1)


def test_events_are_frozen_and_say_what_they_are():
    event = events.CellStarted(run="r", cell=1)
    with pytest.raises(AttributeError, match="immutable"):
        event.cell = 2
    assert typing.get_type_hints(events.CellStarted)["cell"] is int
