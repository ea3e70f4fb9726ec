"""Works out what one cell did, from how things stood before it and how they stand after."""

import os
import re
import sys
import types
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import audit, channels, outside
from .reach import Reach
from .reads import Reads
from .uses import Use, shell_names, words_in

if TYPE_CHECKING:
    from .observer import Observer

ENVIRONMENT = frozenset({"environ", "getenv", "environb"})
VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*\Z")
SHOWN = re.compile(r"\bOut\[(\d+)\]|(?<![\w.])_(\d+)\b|(?<![\w.])(_{1,3})(?!\w)")
PARAMETER = re.compile(r"(?<![:\w]):([A-Za-z_]\w*)|\{\{\s*([A-Za-z_]\w*)")
NAMESPACE = frozenset({"user_ns", "user_global_ns", "ev", "ex"})
OWN_CHANNEL = ("rcParams", "options", "environ", "path", "filters", "modules")


@dataclass(slots=True)
class Cell:
    """How things stood before a cell."""

    info: Any
    count: int
    folder: str
    space: dict[str, Any]
    state: dict[str, Any]
    stats: dict[str, tuple[int, int, int]] | None
    modules: int
    shown: set[int]
    trees: list[tuple[Any, Reads]] = field(default_factory=list)
    lost: str = ""


class Facts:
    """One cell's work, told from both sides of it."""

    def __init__(self, observer: "Observer", cell: Cell, result: Any, events: list[Any]) -> None:
        self.observer, self.cell, self.result = observer, cell, result
        self.shell = observer.shell
        self.space = observer._space()
        self.touched = audit.Touched(events, cell.folder)
        self.last_line = self._last_line()
        self.loads: dict[str, Use] = {}
        self.used: dict[str, Use] = {}
        self.stores: dict[str, tuple[int, bool]] = {}
        self.attrs: set[str] = set()
        self.texts: list[str] = []
        self.shell_texts: list[str] = []
        self.magic_texts: list[str] = []
        self.dynamic: set[str] = set()
        self.imports: set[str] = set()
        self.assumed: list[str] = []
        for place, (_, reads) in enumerate(cell.trees):
            self._merge(reads, self.last_line if place == 0 else None)

    def _merge(self, reads: Reads, last: int | None) -> None:
        for mine, theirs in ((self.loads, reads.loads), (self.used, reads.used)):
            for name, use in theirs.items():
                if last is None or use.line <= last:
                    mine.setdefault(name, use)
        for name, (line, conditional) in reads.stores.items():
            if last is None or line <= last:
                self.stores.setdefault(name, (line, conditional))
        self.attrs |= reads.attrs
        self.texts += reads.texts
        self.shell_texts += reads.shell
        self.magic_texts += reads.magics
        self.dynamic |= reads.dynamic
        self.imports |= reads.imports

    def _last_line(self) -> int | None:
        """Return the last line of the statement that raised, None where none did."""
        error = self.result.error_in_exec
        if error is None or not self.cell.trees:
            return None
        trace, line = error.__traceback__, 0
        while trace is not None:
            frame = trace.tb_frame
            if frame.f_globals is self.shell.user_ns and frame.f_code.co_name == "<module>":
                line = trace.tb_lineno
                break
            trace = trace.tb_next
        for node in getattr(self.cell.trees[0][0], "body", []):
            if node.lineno <= line <= (node.end_lineno or line):
                return int(node.end_lineno or line)
        return None

    # the answer

    def tell(self) -> dict[str, Any]:
        """Return what the cell did, ready for JSON."""
        before, now = self.cell.space, self.space
        bound_anew = {n for n in now if n not in before or before[n] is not now[n]}
        writes = bound_anew | {n for n, (_, maybe) in self.stores.items() if n in now and not maybe}
        deletes = {n for n in before if n not in now}
        reads = {n for n, use in self.loads.items()
                 if n in before and not (use.maybe and n in bound_anew)}  # fmt: skip
        reads |= self._from_texts()
        reads |= self._from_code()
        if not self.cell.trees and bound_anew:
            self.assumed.append("it ran code that could not be read")
        touched = {n for n in (reads | writes | set(self.used)) if n in now}
        anew = {f"cache:{n}" for n in touched if self.observer.asked_anew(now[n])}
        changes, guesses = self.observer.changed(touched, writes, now)
        changes |= self._databases(touched, changes)
        for name in deletes:
            self.observer.forget(name)
        if guesses:
            self.assumed.append("the content of " + ", ".join(sorted(guesses)) + " cannot be told")
        if self.cell.lost:
            self.assumed.append(f"its text could not be read ({self.cell.lost})")
        read_channels, changed_channels = self._channels()
        read_channels |= {f"cache:{n}" for n in self.used if n in self.observer.caches}
        changed_channels |= anew
        files = self._files()
        return {
            "id": getattr(self.cell.info, "cell_id", None),
            "count": self.cell.count,
            "source": self.cell.info.raw_cell,
            "reads": sorted(reads),
            "writes": sorted(writes),
            "changes": sorted(changes),
            "deletes": sorted(deletes),
            "channels_read": sorted(read_channels),
            "channels_changed": sorted(changed_channels),
            "unknown": sorted(n for n in writes | changes
                              if n in now and self.observer.prints.get(n) is None),
            "files_read": sorted(self.touched.read),
            "files_written": sorted(files),
            "listed": sorted(self.touched.listed),
            "modules": self._local_modules(),
            "outside": self._outside(),
            "tops": sorted({outside.top_of(v) for _, v in self._named()} & {"mlflow"}),
            "clock": outside.tells_time(self.attrs, self._named()),
            "assumed": self.assumed,
            "failed": self.result.error_in_exec is not None
            or self.result.error_before_exec is not None,
        }  # fmt: skip

    # names

    def _from_texts(self) -> set[str]:
        """Names that are read through texts: `exec`, `globals()["x"]`, shell lines, Jinja."""
        before = self.cell.space
        lines = [*self.shell_texts, *self.magic_texts]
        found = {n for text in lines for n in shell_names(text) if n in before}
        for text in self.magic_texts:
            found |= {n for match in PARAMETER.findall(text) for n in match if n in before}
        asks_shell = "get_ipython" in self.used and self.attrs & NAMESPACE
        if not (self.dynamic or asks_shell or "__main__" in self.imports):
            return found
        texts = [*self.texts]
        texts += [v for n in self.used if isinstance(v := before.get(n, self.space.get(n)), str)]
        named = {w for w in words_in(texts) if w in before and w not in self.stores}
        if named or (asks_shell and not self.dynamic):
            return found | named
        if self.dynamic and not (words_in(texts) and self._only_writes_by_text()):
            self.assumed.append(f"{'()/'.join(sorted(self.dynamic))}() may read any name")
            return found | set(before)
        return found

    def _only_writes_by_text(self) -> bool:
        """Say whether texts name what is bound anew: `globals()["x"] = 1`, `exec("x = 1")`."""
        words = words_in(self.texts)
        return any(n in words for n in self.space if n not in self.cell.space)

    def _from_code(self) -> set[str]:
        """Names that are read by the code behind the names that the cell uses."""
        cached = [id(v) for n in self.used if self.observer.answered_from_cache(
            v := self.space.get(n, self.cell.space.get(n)))]  # fmt: skip
        reach = Reach(self.shell.user_ns, self.attrs, cached)
        first: dict[str, int] = {}
        for name, use in sorted(self.used.items(), key=lambda item: item[1].line):
            for space in (self.cell.space, self.space):
                if name in space:
                    reach.take(space[name], escapes=use.escapes, called=use.called)
            for reached in reach.names - first.keys():
                first[reached] = use.line
        self.attrs |= reach.attrs
        self.texts += reach.texts
        self.reached = reach.names
        found = set()
        for name, line in first.items():
            stored = self.stores.get(name)
            if name in self.cell.space and (stored is None or stored[1] or line <= stored[0]):
                found.add(name)
        return found

    def _named(self) -> list[tuple[str, Any]]:
        """Every name that the cell or the code it reaches uses, with its value."""
        names = {*self.used, *self.reached}
        both = {**self.cell.space, **self.space}
        return [(n, both[n]) for n in names if n in both]

    # connections

    def _databases(self, touched: set[str], changes: set[str]) -> set[str]:
        """Connections whose database this cell changed."""
        found = set()
        for name in touched:
            value = self.space[name]
            mark, old = outside.database_mark(value), self.observer.marks.get(name)
            if mark is not None:
                self.observer.marks[name] = mark
            if name in changes or name not in self.cell.space:
                continue
            if (mark is not None and old is not None and mark != old) or (
                outside.is_handle(value) and outside.writes_database(self.texts, self.attrs)
            ):
                found.add(name)
        return found

    # channels

    def _channels(self) -> tuple[set[str], set[str]]:
        words = {*self.attrs, *self.used}
        state = self.observer.state = channels.state()
        changed = channels.changed(self.cell.state, state, words)
        read = {c for c in changed if c.startswith("rng:") and not self._seeds(c)}
        read |= {c for c, asked in channels.ASKS.items() if asked & words}
        if self.touched.relative or self.shell_texts or self.touched.listed:
            read.add("cwd")
        if self._asks_for_path() or self._local_modules():
            read.add("sys.path")
        read |= self._environment(words)
        if self._draws(words):
            read |= {"matplotlib"} | ({"figures"} if self.cell.state.get("figures") else set())
        read |= self._shown()
        changed |= self._just_shown()
        patched = self._patches()
        tops = {outside.top_of(v) for _, v in self._named()} | {
            i.partition(".")[0] for i in self.imports
        }
        read |= {f"module:{top}" for top in self.observer.patched & tops}
        self.observer.patched |= patched
        return read, changed | {f"module:{top}" for top in patched}

    def _seeds(self, channel: str) -> bool:
        """Say whether the cell set a generator to a state before it drew from it."""
        if not channels.SEEDS & {*self.attrs, *self.used}:
            return False
        top = {"rng:numpy": "numpy", "rng:random": "random", "rng:torch": "torch"}[channel]
        direct = {path[-1] for line, path in self._calls(top) if path}
        if direct & channels.SEEDS:
            first = next(path for _, path in self._calls(top) if path[-1] != "random")
            return first[-1] in channels.SEEDS
        tops = {outside.top_of(v) for n, v in self._named() if n in self.reached}
        asked = {n for n in self.used if n in channels.SEEDS}
        return top in tops or bool(asked)

    def _calls(self, top: str) -> list[tuple[int, tuple[str, ...]]]:
        """Dotted paths that the text looks up on names of one package, in order of lines."""
        found = []
        both = {**self.cell.space, **self.space}
        for _, reads in self.cell.trees:
            for line, root, path in reads.paths:
                if root in both and outside.top_of(both[root]) == top:
                    found.append((line, path))
        return sorted(found)

    def _asks_for_path(self) -> bool:
        return any(self.space.get(n) is sys and "path" in use.attrs for n, use in self.used.items())

    def _environment(self, words: set[str]) -> set[str]:
        found = {f"env:{n}" for text in self.shell_texts for n in re.findall(r"\$\{?(\w+)", text)}
        if words & ENVIRONMENT:
            known = set(os.environ)
            named = {t for t in self.texts if t in known or VARIABLE.match(t)}
            found |= {f"env:{n}" for n in named} or {"env:*"}
        return found

    def _draws(self, words: set[str]) -> bool:
        tops = {outside.top_of(v) for _, v in self._named()}
        return bool(
            channels.DRAWING & tops or ("matplotlib" in sys.modules and channels.DRAWS & words)
        )

    def _shown(self) -> set[str]:
        found = set()
        text = self.cell.info.raw_cell
        for out, numbered, last in SHOWN.findall(text):
            if out or numbered:
                found.add(f"Out[{out or numbered}]")
            elif last in self.loads or last in self.used:
                found.add("Out[-1]")
        return found

    def _just_shown(self) -> set[str]:
        new = set(self.shell.user_ns.get("_oh", ())) - self.cell.shown
        return {f"Out[{count}]" for count in new} | ({"Out[-1]"} if new else set())

    def _patches(self) -> set[str]:
        """Packages whose modules or classes the text gives other attributes."""
        found = set()
        both = {**self.cell.space, **self.space}
        for _, reads in self.cell.trees:
            for line, root, path in reads.attr_stores:
                late = self.last_line is not None and line > self.last_line
                value = both.get(root)
                if late or path[0] in OWN_CHANNEL or not isinstance(value, types.ModuleType | type):
                    continue
                if top := outside.top_of(value):
                    found.add(top)
        return found

    # files and the outside

    def _files(self) -> set[str]:
        """Files written, those that only their time stamps tell of included."""
        written = set(self.touched.written)
        native = any(m in sys.modules for m in audit.NATIVE)
        known = {*self.observer.files, *self.touched.read}
        if native:
            self._native_reads(known)
        before = self.cell.stats or {}
        if self.cell.stats is not None:
            stats = audit.stats(self.cell.folder, known)
            written |= {
                path
                for path, told in stats.items()
                if before.get(path) != told
                and audit.is_data(path)
                and (path in before or path not in known or path in self.touched.read)
                and not path.endswith(".ipynb")
            }
        known |= before.keys()
        written = {p for p in written if p in known or os.path.exists(p)}  # else it came and went
        for path in written:
            if path in self.touched.read and path not in before:
                self.touched.read.pop(path)  # it was made here
        self.observer.files |= dict.fromkeys([*self.touched.read, *written])
        return written

    def _native_reads(self, known: set[str]) -> None:
        texts = list(self.texts)
        for _, value in self._named():
            texts += _paths_in(value)
        for text in texts:
            for path in audit.matching(text, self.cell.folder, known):
                self.touched.read.setdefault(path)
            path = audit.as_path(text, self.cell.folder) if _looks_like_path(text) else ""
            if path and os.path.isfile(path) and audit.is_data(path):
                if path in (self.cell.stats or ()) or path not in self.touched.written:
                    self.touched.read.setdefault(path)

    def _local_modules(self) -> list[str]:
        found = []
        if len(sys.modules) == self.cell.modules:
            return []
        for name in list(sys.modules)[self.cell.modules :]:
            file = getattr(sys.modules.get(name), "__file__", None)
            if (
                isinstance(file, str)
                and not file.startswith(audit.NO_DATA)
                and "_mlops_" not in name
            ):
                found.append(os.path.realpath(file))
        return sorted(found)

    def _outside(self) -> list[str]:
        texts = [*self.texts, *(w for t in self.shell_texts for w in t.split())]
        return [*self.touched.reached, *outside.reached(self._named(), texts)]


def _looks_like_path(text: str) -> bool:
    return 0 < len(text) < 500 and "\n" not in text and ("." in text or "/" in text)  # noqa: PLR2004


def _paths_in(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, os.PathLike):
        return [os.fspath(value)]
    if type(value) in (list, tuple) and len(value) < 200:  # noqa: PLR2004
        return [p for item in value if isinstance(item, str | os.PathLike) for p in _paths_in(item)]
    if type(value) is dict and len(value) < 200:  # noqa: PLR2004
        return [p for v in value.values() if isinstance(v, str | os.PathLike) for p in _paths_in(v)]
    return []
