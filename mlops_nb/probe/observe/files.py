"""Works out which files and folders a cell read and wrote."""

import os
import re
import sys

from ..introspect import name_of, words
from . import paths
from .evidence import Evidence
from .memory import Memory
from .opened import Happened

# words that ask about a file without opening it
ASKING = words(
    "exists isfile is_file getsize getmtime stat isdir is_dir lexists glob iglob rglob iterdir "
    "listdir walk"
)
LISTS = words("ls dir ll tree du find l lx lk lf %ls %ll %l %lx %lk %lf")  # programs and magics


class Files:
    """The files that one cell used; `touched` holds what was read."""

    def __init__(self, facts: Evidence, memory: Memory) -> None:
        self.facts, self.cell, self.touched = facts, facts.cell, facts.touched
        self.memory, self.known = memory, memory.files

    def written(self, modules: set[str]) -> set[str]:
        """Return the files written, and note those read; modules: files of modules just loaded."""
        touched, known = self.touched, self.known
        again = [getattr(sys.modules.get(name), "__file__", None) for name in self.facts.imports]
        touched.read |= {p: None for p in (*modules, *touched.code, *again) if p in known}
        happened = self.memory.opened.take()
        written = {*touched.written, *happened.written, *(happened.modified & known.keys())}
        if "flush" in self.facts.attrs:
            mapped = [v for _, v in self.facts.named if name_of(type(v)) == "memmap"]
            written |= {os.fspath(value.filename) for value in mapped if value.filename}
        opened = {p for p in happened.opened - written if p in known or paths.exists(p)}
        touched.read |= dict.fromkeys(sorted(opened))
        touched.read |= dict.fromkeys(sorted(self._changed_by_others(happened)))
        commands = re.split(r"[|;&\n]+", "\n".join([*self.facts.shell_texts, *touched.programs]))
        programs = {os.path.basename(word) for line in commands for word in line.split()[:1]}
        if not LISTS.isdisjoint(programs | self.facts.attrs):
            touched.listed |= dict.fromkeys(sorted(happened.listed))
        self._asked_for(written)
        self._listed_files()
        self._folders(written)
        kept = known.keys() | touched.read.keys()
        written = {p for p in written if p in kept or paths.exists(p)}  # else it came and went
        for path in happened.made & written - known.keys():
            touched.read.pop(path, None)  # it was made here
        self.memory.files |= dict.fromkeys([*touched.read, *written])
        self.memory.opened.watch_near([*touched.read, *written])
        return written

    def _changed_by_others(self, happened: Happened) -> set[str]:
        """Return files of earlier cells that were removed, or that programs wrote to."""
        by_programs = happened.written if self.touched.programs or self.facts.shell_texts else set()
        return self.known.keys() & (happened.gone | by_programs) - self.touched.written.keys()

    def _asked_for(self, written: set[str]) -> None:
        """Note files that the cell asks about by their names: they may be absent."""
        is_asked = {*self.facts.attrs, *self.facts.used} & ASKING
        if not is_asked and self.memory.opened.handle >= 0:
            return
        texts = [*self.facts.texts]
        folders = {os.fspath(value) for _, value in self.facts.named if paths.is_path(value)}
        for _, value in self.facts.named:
            texts += paths.paths_in(value)
        named = [os.path.join(base, t) for base in {"", *folders} for t in texts]
        for text in folders.union(filter(paths.looks_like_path, named)):
            path = paths.as_path(text, self.cell.folder)
            is_there = path in self.known or os.path.isfile(path)
            is_there |= bool(is_asked) and not paths.exists(path)
            if is_there and path not in written and paths.is_data(path):
                self.touched.read.setdefault(path)

    def _listed_files(self) -> None:
        """Note the notebook's own files that the listing of a folder showed, by its pattern."""
        commands = (w for line in self.facts.shell_texts for w in paths.words_of(line))
        texts = [*self.facts.known_texts, *commands]
        patterns = [text for text in texts if set(text) & set("*?[")]
        for path in self.known if self.touched.listed else ():
            if os.path.dirname(path) in self.touched.listed and paths.fits(path, patterns):
                self.touched.read.setdefault(path)

    def _folders(self, written: set[str]) -> None:
        """Note folders that an earlier cell made, of what is read, written or listed in them."""
        touched = self.touched
        places = {os.path.dirname(path) for path in (*touched.read, *written)} | {*touched.listed}
        for place in (places - written) & self.known.keys():
            touched.read.setdefault(place)
