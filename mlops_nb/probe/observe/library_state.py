"""What cells set in libraries, attributes, registries and modes, and which later cells that is for.

A new attribute of a library is for whoever looks it up; one that was there before, or a mode, is
for whoever uses the library at all.
"""

import re
import sys
import types
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

from ..fingerprint.digest import quick
from ..introspect import inside, is_code, is_own, is_own_code, lineage, module_of, top_of
from ..syntax.visitor import Visitor
from .aliasing import own
from .bytecode import code_of
from .evidence import CellStart, Evidence, Target
from .global_state import SEEDS

# attributes of packages whose content is a channel of its own
OWN_CHANNEL = frozenset(
    {
        ("matplotlib", "rcParams"),
        ("pandas", "options"),
        ("os", "environ"),
        ("sys", "path"),
        ("sys", "modules"),
        ("warnings", "filters"),
    }
)
# packages whose modes are channels of their own
OWN_MODES = frozenset(
    {
        "IPython",
        "decimal",
        "locale",
        "matplotlib",
        "numpy",
        "os",
        "pandas",
        "random",
        "seaborn",
        "sklearn",
        "sys",
        "warnings",
    }
)
REGISTERS = re.compile(r"(?:un)?register(?:_\w+)?\Z")
SETS = re.compile(
    r"(?:(?:un)?register|enable|disable|install|initialize|init|patch|monkeypatch|reset|use|set)"
    r"(?:_\w+)?\Z|set[A-Z]\w*\Z|setdefaulttimeout\Z|autolog\Z|extension\Z|clear_session\Z|"
    r"add_(?:type|constructor|representer)\Z|output_notebook\Z|tzset\Z|(?:start|end)_run\Z|signal\Z"
)
LOGGING = frozenset(
    {
        "basicConfig",
        "setLevel",
        "addHandler",
        "removeHandler",
        "disable",
        "addFilter",
        "dictConfig",
        "fileConfig",
        "captureWarnings",
    }
)
EXTENSIONS = frozenset({"%load_ext", "%reload_ext"})
CALLBACKS = frozenset(
    {
        "create_function",
        "create_window_function",
        "create_aggregate",
        "create_collation",
        "set_authorizer",
        "set_trace_callback",
        "set_progress_handler",
    }
)  # of sqlite3, which hides what it is given
ARGUMENTS = frozenset({"parse_args", "parse_known_args"})  # of the program: `sys.argv`
FRAMES = ("DataFrame", "Series")
CONTAINERS = frozenset({list, dict, set})
MOST_ITEMS = 1_000  # of a module's container that is looked at
ANYBODY = "*"
ABSENT = object()


class LibraryState:
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

    def before(self, cell: CellStart, reads: Visitor) -> None:
        """Note which of what a tree sets was there before, and what modules' containers hold."""
        imported = {name: sys.modules.get(name) for name in reads.modules}
        stores = {(root, path) for _, root, path in reads.attr_stores}
        for root, path in stores | _stores_of_functions(reads.used, cell.space):
            value: Any = cell.space.get(root, imported.get(root))
            if _resolved(value, path) is not ABSENT:
                cell.existing.add((root, path))
        for _, root, path in reads.paths:
            value = cell.space.get(root, imported.get(root))
            if issubclass(type(value), types.ModuleType):
                for place, container in _containers(value, path):
                    cell.contents.setdefault(place, (container, quick(container)))

    def changed(self, facts: Evidence) -> set[str]:
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

    def _changed_magics(self, facts: Evidence) -> set[str]:
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
            if name != "mlops"  # a verb is no part of the pipeline
        }
        self.new_magics |= new
        return new

    def read(self, facts: Evidence) -> set[str]:
        """Return the channels that a cell reads, of those that earlier cells set."""
        tops = facts.tops | {name.partition(".")[0] for name in facts.imports}
        tops |= {"sys"} if ARGUMENTS & facts.attrs else set()
        found = set()
        for top in tops & self.names.keys():
            asked = {ANYBODY, *facts.attrs, *facts.texts}
            found |= {_channel(top, name) for name in self.names[top] & asked}
        found |= {f"magic:{name}" for name in self.new_magics if f"%{name}" in facts.attrs}
        if self.finders(facts.cell):
            found.add(_channel("sys", "meta_path"))
        patched = self.names.get("builtins", set())
        return found | {_channel("builtins", name) for name in patched & facts.used.keys()}

    def finders(self, cell: CellStart) -> list[Any]:
        """Return what was asked for modules that a cell loaded by the notebook's own loaders."""
        if "meta_path" not in self.names.get("sys", ()):
            return []
        loaded = list(sys.modules.values())[cell.modules :]
        own_loaders = (is_own(getattr(one, "__loader__", None)) for one in loaded)
        return list(sys.meta_path) if any(own_loaders) else []

    def _keep(self, facts: Evidence) -> None:
        """Remember the notebook's functions and classes that libraries now call by some name."""
        for root, path in _stores(facts):
            value = _resolved(facts.both.get(root), path)
            if is_own_code(value):
                self.kept.setdefault(path[-1], []).append(weakref.ref(value))
                if (root, path) in facts.cell.existing:
                    top = top_of(facts.both[root])
                    self.kept_for.setdefault(top, []).append(weakref.ref(value))
        for name, use in facts.used.items():
            if use.given & CALLBACKS and is_own_code(facts.both.get(name)):
                self.kept_for.setdefault("sqlite3", []).append(weakref.ref(facts.both[name]))
        if any(REGISTERS.match(name) for name in (*facts.attrs, *facts.used)):
            made = [
                weakref.ref(facts.now[n]) for n in facts.stores if is_own_code(facts.now.get(n))
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


def listeners() -> list[Any]:
    """Return what loggers hand records to: handlers, their streams and formatters, filters."""
    logging: Any = sys.modules["logging"]
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    found: list[Any] = []
    for logger in loggers:
        handlers = list(getattr(logger, "handlers", ()))  # a place that is kept free has none
        found += [*handlers, *getattr(logger, "filters", ())]
        for one in handlers:
            found += [*one.filters, one.formatter, getattr(one, "stream", None)]
    return [one for one in found if one is not None]


def _copied(magics: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {kind: dict(known) for kind, known in magics.items()}


def _is_builtin(magic: Any) -> bool:
    """Say whether a magic is IPython's own, `%%bash` and its like included."""
    owner = own(magic, "__self__")
    home = own(magic, "__module__") if owner is None else module_of(type(owner))
    return str(home).startswith("IPython.core.magics")


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


def _stores_of_functions(names: Iterable[str], space: Mapping[str, Any]) -> set[Target]:
    """Return the attributes that functions set, and those that they call by their global names."""
    found: set[Target] = set()
    seen, pending = set[str](), set(names)
    while pending:
        name = pending.pop()
        seen.add(name)
        value = space.get(name)
        if type(value) is types.FunctionType and value.__module__ == "__main__":
            code = code_of(value.__code__)
            found |= code.stores
            pending |= code.globals - seen
    return found


def _stores(facts: Evidence) -> Iterable[Target]:
    """Yield the attributes of modules and classes that a cell, or code it reaches, sets.

    Of its own text only those that it came to.
    """
    last = facts.last_line
    found = {
        (root, path): None
        for _, reads in facts.cell.trees
        for line, root, path in reads.attr_stores
        if last is None or line <= last
    }
    for root, path in [*found, *facts.reach.stores]:
        value = facts.both.get(root)
        if not issubclass(type(value), types.ModuleType | type):
            continue
        if (top_of(value), path[0]) not in OWN_CHANNEL:
            yield root, path


def _stored(facts: Evidence) -> Iterable[tuple[str, set[str]]]:
    for root, path in _stores(facts):
        value = facts.both[root]
        owner = _resolved(value, path[:-1])
        tops = {top_of(one) for one in (owner, value) if is_code(one)}
        if value is sys.modules["builtins"]:
            yield "builtins", {path[0]}
            continue
        named = path[-1] if path[-1] != "[]" else path[-2]
        new = (root, path) not in facts.cell.existing and named != "__dict__"
        for top in tops - {""}:
            yield top, {named if new else ANYBODY}


def _called(facts: Evidence) -> Iterable[tuple[str, set[str]]]:
    """Yield what calls set: `mlflow.set_experiment`, `csv.register_dialect`, `gc.disable`."""
    direct = [
        (facts.both[n], (n,)) for n, use in facts.used.items() if use.called and n in facts.both
    ]
    for value, path in [*facts.calls(), *direct]:
        top, name = top_of(value), path[-1]
        if not top or not is_code(value) or name in SEEDS:
            continue
        if top == "pandas" and REGISTERS.match(name):
            yield top, {text for text in facts.texts if text.isidentifier()}
        elif REGISTERS.match(name) or (SETS.match(name) and top not in OWN_MODES):
            yield top, {ANYBODY}
    stores = [
        facts.both.get(root) for _, reads in facts.cell.trees for _, root, _ in reads.attr_stores
    ]
    set_on = {top_of(value) for value in stores}  # `logger.propagate = False`
    if "logging" in set_on or ("logging" in facts.tops and LOGGING & facts.attrs):
        yield "logging", {ANYBODY}


def _filled(facts: Evidence) -> Iterable[tuple[str, set[str]]]:
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
        if type(found) in CONTAINERS and name != "__dict__":
            place = top_of(module), name
            if len(found) < MOST_ITEMS and place not in OWN_CHANNEL:
                yield place, found
            return
        if not issubclass(type(found), types.ModuleType):
            return
        value = found
