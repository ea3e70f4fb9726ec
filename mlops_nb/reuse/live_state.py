"""The state of a live notebook, as its kernel shows it."""

import json
import uuid
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from mlops_nb.probe.introspect import namespace
from mlops_nb.probe.values import groups
from mlops_nb.reuse.ledger import Ledger
from mlops_nb.reuse.state import Group
from mlops_nb.reuse.units import Unit


def know(
    ledger: Ledger, unit: Unit, names: Iterable[str], made: AbstractSet[str] = frozenset()
) -> None:
    """Tell a ledger what names, and all that they reach, are bound to before a unit runs.

    made: names that the unit has changed already, whose former values nobody knows
    """
    ledger.pass_setup(unit)
    state, wanted = ledger.state, set(names)
    while True:
        asked = {
            "names": sorted(wanted),
            "groups": [],
            "setup": ledger.state.given(),
            "known": [],
            "without": [],
        }
        found = groups_of(asked, "")
        more = {n for g in found for n in (*g["names"], *g["refers"])}
        if more & namespace().keys() <= wanted:
            break
        wanted |= more
    for group in found:
        own, known = group["names"], group["digest"]
        if any(n in state.groups and state.groups[n].given for n in own):
            continue
        if known == "unknown" or not made.isdisjoint(own):
            known = f"unknown {uuid.uuid4()}"
        left = Group(names=tuple(own), digest=known, refers=tuple(group["refers"]))
        state.put([left], (), waiting=False)
        state.values |= dict.fromkeys(own, known)


def groups_of(asked: Mapping[str, Any], folder: str) -> list[dict[str, Any]]:
    """Return groups of the kernel's names, written into a folder if one is given."""
    request = json.dumps({**asked, "folder": folder})
    found: list[dict[str, Any]] = json.loads(groups.make(request))["groups"]
    return found
