"""Works out which files and folders a cell read and wrote, those included that nobody told of."""

import fnmatch
import os
import re
import sys

from . import paths
from .evidence import Evidence
from .memory import Memory

# packages that read and write files without the interpreter noticing
NATIVE = (
    "pyarrow",
    "polars",
    "duckdb",
    "h5py",
    "tables",
    "torch",
    "tensorflow",
    "cv2",
    "xgboost",
    "lightgbm",
    "catboost",
    "netCDF4",
    "fiona",
    "rasterio",
    "PIL",
    "soundfile",
)
# words that begin the names of what reads files, and words that ask about one
READING = (
    "read",
    "scan",
    "load",
    "open",
    "from",
    "imread",
    "parse",
    "sql",
    "query",
    "execute",
    "collect",
    "fetch",
    "file",
    "dataset",
    "image",
    "parquet",
    "memory_map",
    "table",
)
TELLING = frozenset(
    {
        "exists",
        "isfile",
        "is_file",
        "getsize",
        "getmtime",
        "stat",
        "isdir",
        "is_dir",
        "glob",
        "iglob",
        "rglob",
        "iterdir",
        "listdir",
        "walk",
    }
)
EXISTS = frozenset({"exists", "isfile", "is_file", "isdir", "is_dir", "lexists"})
LISTS = frozenset({"ls", "dir", "ll", "tree", "du", "find", "l", "lx", "lk", "lf"})  # programs
NAMES_FILE = re.compile(r"[\w./~-]*[\w-]\.\w{1,9}|[\w./~-]*/[\w.-]*")
MOST_OPEN = 50  # files that may still be open, and are looked at after each cell
CLOCK_TICK = 20_000_000  # ns by which the time stamps of files lag behind the clock


class Files:
    """The files that one cell had to do with; `touched` holds what was read."""

    def __init__(self, facts: Evidence, memory: Memory) -> None:
        self.facts, self.cell, self.touched = facts, facts.cell, facts.touched
        self.memory = memory
        self.words = {*facts.attrs, *facts.used}

    def written(self, modules: set[str]) -> set[str]:
        """Return the files written, and note those read; modules: files of modules just loaded."""
        touched = self.touched
        again = [getattr(sys.modules.get(name), "__file__", None) for name in self.facts.imports]
        touched.read |= {p: None for p in (*touched.found, *again) if p in self.memory.files}
        known = {*self.memory.files, *touched.read}
        touched.read |= {p: None for p in (*modules, *touched.code) if p in self.memory.files}
        before = self.cell.stats or {}
        written = set(touched.written)
        opened, changed = self.memory.opened.take()
        opened = {p for p in opened if p in before or p in self.memory.files or paths.exists(p)}
        written |= changed | self._flushed()
        touched.read |= dict.fromkeys(sorted(opened - written))
        known |= opened
        texts = self._texts() if self.cell.stats is not None or self.words & TELLING else []
        if self.cell.stats is not None:
            stats = paths.stats(self.cell.folder, known | self._candidates(texts))
            written |= {path for path, told in stats.items() if self._is_new(path, told)}
            gone = {p for p in before if p in self.memory.files and not paths.exists(p)}
            written |= gone
            touched.read |= dict.fromkeys(
                sorted((gone | self._edited(written)) - touched.written.keys())
            )
        written |= self._made_by_shell()
        self._named_files(texts, written)
        self._absent_files(texts)
        self._listed_by_shell()
        self._listed_files()
        self._folders(written)
        known |= before.keys()
        written = {p for p in written if p in known or paths.exists(p)}  # else it came and went
        for path in written:
            if path in touched.read and path not in before and path not in self.memory.files:
                touched.read.pop(path)  # it was made here
        self.memory.files |= dict.fromkeys([*touched.read, *written])
        kept = dict.fromkeys([*self.memory.writing, *sorted(written)])
        self.memory.writing = list(kept)[-MOST_OPEN:]
        return written

    def _edited(self, written: set[str]) -> set[str]:
        """Return files of earlier cells that programs changed, rather than began anew."""
        known = self.memory.files.keys() & written
        found: set[str] = set()
        for line in self.facts.shell_texts if known else ():
            words = paths.words_of(line)
            if words[:1] in (["cp"], ["mv"]):
                words.pop()
            named = [*words, *re.findall(r">>\s*(\S+)", line)]
            found |= known & {paths.as_path(word, self.cell.folder) for word in named}
        return found

    def _is_new(self, path: str, told: tuple[int, int, int, int]) -> bool:
        """Say whether a file is another one than before the cell."""
        old = (self.cell.stats or {}).get(path)
        if (told[:3] == old[:3]) if old else told[3] < self.cell.start - CLOCK_TICK:
            return False  # one that was there already may come into a listing that is cut off
        return paths.is_data(path) and not path.endswith(".ipynb")

    def _texts(self) -> list[str]:
        """The texts that may name files: in the cell's code, behind names, in command lines."""
        texts = list(self.facts.texts)
        for _, value in self.facts.named:
            texts += paths.paths_in(value)
        for text in [*self.facts.shell_texts, *self.touched.programs]:
            texts += paths.words_of(text)
        return texts

    def _candidates(self, texts: list[str]) -> set[str]:
        """Files that texts name, `folder / "name"` included."""
        bases = [self.cell.folder]
        bases += [os.fspath(v) for _, v in self.facts.named if paths.is_path(v)]
        return {
            paths.as_path(os.path.join(base, text), self.cell.folder)
            for text in texts
            if paths.looks_like_path(text)
            for base in bases
        }

    def _named_files(self, texts: list[str], written: set[str]) -> None:
        """Note files that texts name, where they are looked at without Python's noticing."""
        asked = any(word.lower().startswith(READING) for word in self.words)
        native = any(module in sys.modules for module in NATIVE)
        told = self.words & TELLING or self.touched.programs or self.facts.shell_texts
        if not told and not (native and asked):
            return
        known = self.memory.files.keys() - written
        found = {p for text in texts for p in paths.matching(text, self.cell.folder, known)}
        named = {p for p in self._candidates(texts) if os.path.isfile(p) and paths.is_data(p)}
        found |= named - written
        used = {os.path.dirname(p) for p in (*named, *self.touched.read, *self.touched.written)}
        folders = {paths.as_path(text, self.cell.folder) for text in texts if text} - used
        found |= {p for p in known if _folder_of(p) in folders}  # a data set in many files
        for path in found:
            self.touched.read.setdefault(path)

    def _absent_files(self, texts: list[str]) -> None:
        """Note files that were asked for, and are not there: the cell hangs on that, too."""
        if self.words & EXISTS:
            named = self._candidates([text for text in texts if NAMES_FILE.fullmatch(text)])
            missing = (p for p in sorted(named) if paths.is_data(p) and not paths.exists(p))
            self.touched.read |= dict.fromkeys(missing)

    def _listed_by_shell(self) -> None:
        """Note the folders that programs list: `!ls`, `%ls data`."""
        asked = {word for word in self.words if word.startswith("%")} & {f"%{n}" for n in LISTS}
        lines = [f"ls {line}" for line in self.facts.shell_texts or [""] if asked]
        for text in [*lines, *self.facts.shell_texts, *self.touched.programs]:
            for command in re.split(r"[|;&\n]+", text):
                name, *rest = command.split() or [""]
                if os.path.basename(name) not in LISTS:
                    continue
                given = [w.strip("'\"") for w in rest if not w.startswith("-")]
                places = [paths.as_path(w, self.cell.folder) for w in given or ["."]]
                self.touched.listed |= {p: None for p in places if paths.is_folder(p)}

    def _listed_files(self) -> None:
        """Note the notebook's own files that the listing of a folder showed, by its pattern."""
        patterns = [text for text in self.facts.known_texts if set(text) & set("*?[")]
        for path in self.memory.files:
            folder, name = os.path.split(path)
            ends = [os.path.basename(pattern) for pattern in patterns]
            if folder in self.touched.listed and (
                not ends or any(fnmatch.fnmatch(name, end) for end in ends)
            ):
                self.touched.read.setdefault(path)

    def _folders(self, written: set[str]) -> None:
        """Note folders that an earlier cell made, of what is read, written or listed in them."""
        touched = self.touched
        places = {os.path.dirname(path) for path in (*touched.read, *written)} | {*touched.listed}
        for place in (places - written) & self.memory.files.keys():
            if paths.is_folder(place):
                touched.read.setdefault(place)

    def _made_by_shell(self) -> set[str]:
        """Return folders that `!mkdir` made: it leaves alone what is there already."""
        asked = "%mkdir" in self.words
        texts = [text for text in self.facts.shell_texts if asked or "mkdir" in text]
        named = {paths.as_path(word, self.cell.folder) for t in texts for word in paths.words_of(t)}
        since = self.cell.start - CLOCK_TICK
        return {path for path in named if paths.is_folder(path, since)}

    def _flushed(self) -> set[str]:
        """Return files that were opened in an earlier cell, and have been written to by now."""
        writing = self.cell.writing
        now = {path: paths.told(path) for path in writing}
        return {path for path, told in now.items() if told and told != writing[path]}


def _folder_of(path: str) -> str:
    """Return the folder of a file, or that of the data set whose part it is.

    >>> _folder_of("/a/b.csv"), _folder_of("/a/year=2026/month=1/part.parquet")
    ('/a', '/a')
    """
    folder = os.path.dirname(path)
    while "=" in os.path.basename(folder):
        folder = os.path.dirname(folder)
    return folder
