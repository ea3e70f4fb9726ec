"""The state of a notebook's values that a ledger tracks during a run."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

ABSENT = ""
# a channel: a unit depends on each earlier cell that may have set something in a package
PACKAGE_STATE = "package state"
EVERY = "*"  # stands for every name, where a unit may read any


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Names whose values share objects, directly or inside them, as one unit left them.

    digest:   of their contents, and of who shares what; a token of the writer if it is not known
    refers:   names that their values look up in the notebook, as functions do
    artifact: where they are stored, None if they are not
    given:    every run binds the name before any unit can: a parameter, or stateless set-up
    """

    names: tuple[str, ...]
    digest: str
    refers: tuple[str, ...] = ()
    artifact: Mapping[str, Any] | None = None
    given: bool = False


@dataclass(slots=True)
class State:
    """The tracked state of the notebook's values at one moment of a run.

    groups:  name → the group that it belongs to
    waiting: names that are not in the kernel yet
    imports: name → text of the imports that bind it, not in the kernel yet
    """

    groups: dict[str, Group] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    imports: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    channels: dict[str, str] = field(default_factory=dict)
    generators: dict[str, str] = field(default_factory=dict)
    rng: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def reach(self, names: Iterable[str]) -> set[str]:
        """Return names, those that share objects with them, and all that their code looks up."""
        found: set[str] = set()
        queue = [*names]
        while queue:
            name = queue.pop()
            if name not in found:
                found.add(name)
                queue += self.groups if name == EVERY else ()
                group = self.groups.get(name)
                queue += () if group is None else (*group.names, *group.refers)
        return found

    def digests(self, names: Iterable[str]) -> dict[str, str]:
        """Return name → digest of its group, for all that names reach; "" for one not bound."""
        return {
            name: group.digest if (group := self.groups.get(name)) else ABSENT
            for name in sorted(self.reach(names))
        }

    def set_channels(self, channels: Iterable[str], token: str) -> None:
        """Note who set channels last; what packages keep depends on every cell that set any."""
        for channel in channels:
            before = self.channels.get(channel, "") if channel == PACKAGE_STATE else ""
            self.channels[channel] = f"{before} {token}".strip()

    def given(self) -> list[str]:
        """Return the names that every run binds, and no unit has changed."""
        return [name for name, group in self.groups.items() if group.given]

    def touched(self, names: Iterable[str], made: Collection[str]) -> dict[str, Any]:
        """Return what a unit can have changed, as `probe.values.groups.make` is asked.

        names: those that it read, bound or changed
        made:  those that it bound or changed
        """
        own = {n for n in made if n in self.groups and self.groups[n].given}
        refer = {n for n, g in self.groups.items() if not own.isdisjoint(g.refers)}
        groups = {g.names: g for g in self.groups.values()}
        return {
            "names": sorted(self.reach({*names, *refer}) - self.waiting),
            "without": sorted(self.waiting),  # the kernel has older values of them, or none
            "groups": [list(names) for names in groups if len(names) > 1],
            "setup": [n for n in self.given() if n not in made],
            "known": [[list(g.names), g.digest] for g in groups.values() if g.artifact],
        }

    def changed(
        self, groups: Iterable[Mapping[str, Any]], made: Collection[str]
    ) -> list[Mapping[str, Any]]:
        """Return those of some groups that differ from what there was, or were not there."""
        found = []
        for group in groups:
            before = [self.groups.get(n) for n in group["names"]]
            first = before[0]
            same = first is not None and first.names == tuple(group["names"])
            if same and first is not None and first.digest == group["digest"]:
                continue
            given = all(b is not None and b.given for b in before)
            if not given or not set(made).isdisjoint(group["names"]):
                found.append(group)
        return found

    def put(self, groups: Iterable[Group], deleted: Iterable[str], *, waiting: bool) -> None:
        """Replace the groups of some names; `waiting`: the kernel does not have them yet."""
        for name in deleted:
            self._forget(name)
        for group in groups:
            for name in group.names:
                self._forget(name)
                self.groups[name] = group
            if waiting:
                self.waiting |= set(group.names)

    def _forget(self, name: str) -> None:
        self.groups.pop(name, None)
        self.waiting.discard(name)
        self.imports.pop(name, None)

    def take(self, names: Collection[str] | None) -> Iterator[Group]:
        """Yield the waiting groups of names, or all of them for None; they wait no more."""
        wanted = self.waiting if names is None else self.waiting & set(names)
        for name in sorted(wanted):
            if name in self.waiting:
                group = self.groups[name]
                self.waiting -= set(group.names)
                yield group
