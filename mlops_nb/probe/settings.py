"""What cells set in libraries, attributes, registries and modes, and which later cells that is for.

A new attribute of a library is for whoever looks it up; one that was there before, or a mode, is
for whoever uses the library at all.
"""

import re
import sys
import types
import weakref
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from . import outside
from .aliases import own
from .channels import SEEDS
from .fingerprint import quick
from .outside import inside, lineage, module_of

if TYPE_CHECKING:
    from .facts import Cell, Facts
    from .reads import Reads

# attributes of modules whose content is a channel of its own
OWN_CHANNEL = ("rcParams", "options", "environ", "path", "filters", "modules")
# packages whose modes are channels of their own
OWN_MODES = frozenset({"IPython", "decimal", "locale", "matplotlib", "numpy", "os", "pandas",
                       "random", "seaborn", "sklearn", "sys", "warnings"})  # fmt: skip
REGISTERS = re.compile(r"(?:un)?register(?:_\w+)?\Z")
SETS = re.compile(
    r"(?:(?:un)?register|enable|disable|install|initialize|init|patch|monkeypatch|reset|use|set)"
    r"(?:_\w+)?\Z|set[A-Z]\w*\Z|setdefaulttimeout\Z|autolog\Z|extension\Z|clear_session\Z|"
    r"add_(?:type|constructor|representer)\Z|output_notebook\Z|tzset\Z|(?:start|end)_run\Z|signal\Z"
)
LOGGING = frozenset({"basicConfig", "setLevel", "addHandler", "removeHandler", "disable",
                     "addFilter", "dictConfig", "fileConfig", "captureWarnings"})  # fmt: skip
EXTENSIONS = frozenset({"%load_ext", "%reload_ext"})
ARGUMENTS = frozenset({"parse_args", "parse_known_args"})  # of the program: `sys.argv`
FRAMES = ("DataFrame", "Series")
CONTAINERS = frozenset({list, dict, set})
MOST_ITEMS = 1_000  # of a module's container that is looked at
ANYBODY = "*"
ABSENT = object()
Target = tuple[str, tuple[str, ...]]


class Settings:
    """What the cells of one notebook have set so far.

    names:    package → attributes by whose mention a cell reads what was set, or ANYBODY
    kept:     attribute, or text that a function was registered by → functions and classes
    kept_for: package → functions that stand in the place of its own
    """

    def __init__(self, shell: Any) -> None:
        self.names: dict[str, set[str]] = {}
        self.kept: dict[str, list[weakref.ref[Any]]] = {}
        self.kept_for: dict[str, list[weakref.ref[Any]]] = {}
        self.shell = shell
        self.frames: dict[str, set[str]] = {}  # class of pandas → its attributes
        self.magics = _copied(shell.magics_manager.magics)
        self.new_magics: set[str] = set()

    def before(self, cell: "Cell", reads: "Reads") -> None:
        """Note which of what a tree sets was there before, and what modules' containers hold."""
        imported = {name: sys.modules.get(name) for name in reads.imports}
        for _, root, path in reads.attr_stores:
            value: Any = cell.space.get(root, imported.get(root))
            if _resolved(value, path) is not ABSENT:
                cell.existing.add((root, path))
        for _, root, path in reads.paths:
            value = cell.space.get(root, imported.get(root))
            if issubclass(type(value), types.ModuleType):
                for place, container in _containers(value, path):
                    cell.contents.setdefault(place, (container, quick(container)))

    def changed(self, facts: "Facts") -> set[str]:
        """Return the channels that a cell set, and remember who is to read them."""
        found: dict[str, set[str]] = {}
        patched = [("pandas", self._patched_frames())]
        for top, names in (*_stored(facts), *_called(facts), *_filled(facts), *patched):
            found.setdefault(top, set()).update(names)
        for top, names in found.items():
            self.names.setdefault(top, set()).update(names)
        self._keep(facts)
        channels = {_channel(top, name) for top, names in found.items() for name in names}
        return channels | {f"magic:{name}" for name in self._changed_magics(facts)}

    def _patched_frames(self) -> set[str]:
        """Return the attributes that frames have got, whoever gave them: `tqdm.pandas()`."""
        found: set[str] = set()
        for name in FRAMES:
            kind: Any = getattr(sys.modules.get("pandas"), name, None)
            if type(kind) is not type or len(inside(kind)) == len(self.frames.get(name, ())):
                continue
            now = set(inside(kind))
            found |= now - self.frames.get(name, now)
            self.frames[name] = now
        return found

    def _changed_magics(self, facts: "Facts") -> set[str]:
        """Return the magics that a cell defined, by itself or by an extension that it loaded.

        IPython loads many of its own when they are asked for.
        """
        now = self.shell.magics_manager.magics
        if now == self.magics:
            return set()
        old, self.magics = self.magics, _copied(now)
        asked = bool(EXTENSIONS & facts.attrs)
        new = {
            name
            for kind, known in now.items()
            for name, magic in known.items()
            if old.get(kind, {}).get(name) is not magic and (asked or not _is_builtin(magic))
        }
        self.new_magics |= new
        return new

    def read(self, facts: "Facts") -> set[str]:
        """Return the channels that a cell reads, of those that earlier cells set."""
        tops = facts.tops | {name.partition(".")[0] for name in facts.imports}
        tops |= {"sys"} if ARGUMENTS & facts.attrs else set()
        found = set()
        for top in tops & self.names.keys():
            asked = {ANYBODY, *facts.attrs, *facts.texts}
            found |= {_channel(top, name) for name in self.names[top] & asked}
        found |= {f"magic:{name}" for name in self.new_magics if f"%{name}" in facts.attrs}
        patched = self.names.get("builtins", set())
        return found | {_channel("builtins", name) for name in patched & facts.used.keys()}

    def _keep(self, facts: "Facts") -> None:
        """Remember the notebook's functions and classes that libraries now call by some name."""
        for _, root, path in _stores(facts):
            value = _resolved(facts.both.get(root), path)
            if outside.is_own_code(value):
                self.kept.setdefault(path[-1], []).append(weakref.ref(value))
                if (root, path) in facts.cell.existing:
                    top = outside.top_of(facts.both[root])
                    self.kept_for.setdefault(top, []).append(weakref.ref(value))
        if any(REGISTERS.match(name) for name in (*facts.attrs, *facts.used)):
            made = [
                weakref.ref(facts.now[n])
                for n in facts.stores
                if outside.is_own_code(facts.now.get(n))
            ]
            for text in facts.texts if made else ():
                self.kept.setdefault(text, []).extend(made)

    def reached(self, attrs: Iterable[str], tops: Iterable[str]) -> list[Any]:
        """Return what is kept under attributes that are looked up, or runs in packages."""
        asked = self.kept.keys() & set(attrs)
        used = self.kept_for.keys() & set(tops)
        found = [ref() for name in asked for ref in self.kept[name]]
        found += [ref() for top in used for ref in self.kept_for[top]]
        return [value for value in found if value is not None]


def _copied(magics: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {kind: dict(known) for kind, known in magics.items()}


def _is_builtin(magic: Any) -> bool:
    """Say whether a magic is IPython's own."""
    return module_of(type(own(magic, "__self__"))).startswith("IPython.core.magics")


def _channel(top: str, name: str) -> str:
    return f"module:{top}" if name == ANYBODY else f"module:{top}.{name}"


def _resolved(value: Any, path: tuple[str, ...]) -> Any:
    """Return what a dotted path leads to from a value, without asking anybody; or ABSENT."""
    for name in path:
        if name == "[]":
            return value
        if issubclass(type(value), type):
            value = next((inside(o)[name] for o in lineage(value) if name in inside(o)), ABSENT)
        else:
            held = own(value, "__dict__")
            value = held.get(name, ABSENT) if type(held) is dict else ABSENT
        if value is ABSENT:
            break
    return value


def _stores(facts: "Facts") -> Iterable[tuple[int, str, tuple[str, ...]]]:
    """Yield the attributes of modules and classes that a cell's text sets and that it came to."""
    last = facts.last_line
    for _, reads in facts.cell.trees:
        for line, root, path in reads.attr_stores:
            kind = type(facts.both.get(root))
            module = issubclass(kind, types.ModuleType | type)
            if module and not (last is not None and line > last) and path[0] not in OWN_CHANNEL:
                yield line, root, path


def _stored(facts: "Facts") -> Iterable[tuple[str, set[str]]]:
    for _, root, path in _stores(facts):
        value = facts.both[root]
        owner = _resolved(value, path[:-1])
        top = outside.top_of(owner if outside.is_code(owner) else value)
        if value is sys.modules["builtins"]:
            yield "builtins", {path[0]}
        elif top:
            named = path[-1] if path[-1] != "[]" else path[-2]
            new = (root, path) not in facts.cell.existing and named != "__dict__"
            yield top, {named if new else ANYBODY}


def _called(facts: "Facts") -> Iterable[tuple[str, set[str]]]:
    """Yield what calls set: `mlflow.set_experiment`, `csv.register_dialect`, `gc.disable`."""
    direct = [(facts.both[n], (n,)) for n, use in facts.used.items()
              if use.called and n in facts.both]  # fmt: skip
    for value, path in [*facts.calls(), *direct]:
        top, name = outside.top_of(value), path[-1]
        if not top or not outside.is_code(value) or name in SEEDS:
            continue
        if top == "pandas" and REGISTERS.match(name):
            yield top, {text for text in facts.texts if text.isidentifier()}
        elif REGISTERS.match(name) or (SETS.match(name) and top not in OWN_MODES):
            yield top, {ANYBODY}
    if "logging" in facts.tops and LOGGING & facts.attrs:
        yield "logging", {ANYBODY}


def _filled(facts: "Facts") -> Iterable[tuple[str, set[str]]]:
    """Yield the modules' containers that hold something else than before the cell."""
    for (top, name), (container, old) in facts.cell.contents.items():
        if quick(container) != old:
            yield top, {name}


def _containers(
    module: types.ModuleType, path: tuple[str, ...]
) -> Iterable[tuple[tuple[str, str], Any]]:
    """Yield a list, dict or set that a dotted path leads to, with its package and name."""
    value: Any = module
    for name in path:
        held: Mapping[str, Any] = vars(value)
        found: Any = held.get(name)
        if type(found) in CONTAINERS and name not in OWN_CHANNEL and name != "__dict__":
            if len(found) < MOST_ITEMS:
                yield (outside.top_of(module), name), found
            return
        if not issubclass(type(found), types.ModuleType):
            return
        value = found
