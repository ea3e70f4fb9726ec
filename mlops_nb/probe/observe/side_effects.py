"""Works out what a cell did beside names: channels, files, modules, the outside."""

import itertools
import os
import re
import sys
from collections.abc import Set as AbstractSet
from typing import Any

from ..introspect import top_of, words
from . import external, global_state, paths
from .evidence import Evidence
from .figures import holds_artists
from .files import Files
from .library_state import libraries_set, libraries_used
from .memory import Memory

ENVIRONMENT = words("environ getenv environb")
WORKING_FOLDER = words("%pwd getcwd getcwdb curdir cwd abspath resolve realpath")
EXPANDED = re.compile(r"\$\{?(\w+)")
VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*\Z")
TYPED = re.compile(r"\b(?:In|_ih)\[(\d+)\]|(?<![\w.])_i(\d+)\b")
TYPED_BEFORE = words("In _ih _i _ii _iii")
PACKAGES = {"rng:numpy": "numpy", "rng:random": "random", "rng:torch": "torch"}
# attributes that do not ask for a figure, and those that do not change one
NEUTRAL = words("close ioff ion isinteractive rcParams rc style get_cmap cm colormaps")
BEGINS = words("figure subplots subplot_mosaic")  # a figure of its own
HARMLESS = NEUTRAL | words("show savefig get_fignums fignum_exists")


class Hidden:
    """What one cell did beside names."""

    def __init__(self, facts: Evidence, memory: Memory) -> None:
        self.facts, self.cell, self.touched = facts, facts.cell, facts.touched
        self.memory = memory
        self.words = {*facts.attrs, *facts.used}
        self.state = memory.state = global_state.state()

    def tell(self) -> dict[str, set[str]]:
        """Return it, each kind by its key in the facts of the cell."""
        modules = self._local_modules()
        written = Files(self.facts, self.memory).written(modules)
        read, changed = self._channels(modules)
        return {
            "channels_read": read,
            "channels_changed": changed,
            "files_read": set(self.touched.read),
            "files_written": written,
            "listed": set(self.touched.listed),
            "modules": modules,
            "outside": self._outside(),
            "tops": self.facts.tops & {"mlflow"},
        }

    # channels

    def _channels(self, modules: set[str]) -> tuple[set[str], set[str]]:
        facts, ever_set = self.facts, self.memory.ever_set
        changed = global_state.changed(self.cell.state, self.state, self._set_in())
        changed |= {"figures"} if self.state.get("figures") and self.draws() else set()
        seeds = self._seeds()
        read = {c for c in changed if c.startswith("rng:") and not seeds.get(c, False)}
        read |= self._asked_for_states() | self._environment() | self._typed()
        changed |= seeds.keys()
        if "warnings" in changed and "warning" not in self.cell.info.raw_cell.lower():
            changed.discard("warnings")  # filters that packages set, wherever imported
        touched = self.touched
        relative = touched.relative or touched.listed or touched.programs or facts.shell_texts
        if relative or WORKING_FOLDER & self.words:
            read.add("cwd")
        paths_asked = (n for n, use in facts.used.items() if "path" in use.attrs)
        if modules or any(facts.both.get(n) is sys for n in paths_asked):
            read.add("sys.path")
        if self.cell.state.get("figures") and not BEGINS & facts.attrs:
            read |= {"figures"} if self.draws(harmless=NEUTRAL) else set()
        read |= self._settings() | (libraries_used(facts) & ever_set)
        read |= {f"Out[{count}]" for count in self.cell.outs}
        read |= {f"cache:{n}" for n in {*facts.used, *facts.reached} & self.memory.misses.keys()}
        stored, restored = self._stored()
        changed |= stored | self._just_shown() | libraries_set(facts)
        ever_set |= changed
        return read | restored, changed

    def _set_in(self) -> set[str]:
        """Return the packages in which the cell may have set something."""
        found = [v for v, path in self.facts.calls() if any(map(global_state.SETS.match, path))]
        found += [v for n, v in self.facts.named if global_state.SETS.match(n)]
        return set(map(top_of, found))

    def _settings(self) -> set[str]:
        """Return the settings that the cell reads, of those that earlier cells changed."""
        facts, result = self.facts, self.facts.result.result
        used = {"", *facts.tops, top_of(result), *facts.attrs}
        shown = [result] if result is not None else []
        shown += [v for _, v in facts.named] if facts.shows else []
        asks = any("option" in word for word in self.words)
        found = set()
        for channel in self.memory.ever_set & global_state.SETTINGS.keys():
            setting = global_state.SETTINGS[channel]
            ever = self.memory.values.setdefault(channel, set())
            ever |= {str(state.get(channel)) for state in (self.cell.state, self.state)}
            is_shown = any(global_state.exceeds(v, setting, ever) for v in shown)
            if asks or is_shown or not setting.is_shown:
                found |= {channel} if not setting.packages.isdisjoint(used) else set()
        return found

    def _seeds(self) -> dict[str, bool]:
        """Return the generators that the cell set to a state, and whether it did so at first."""
        if not global_state.SEEDS & self.words:
            return {}
        found = {}
        for channel, top in PACKAGES.items():
            direct = [
                path[-1] in global_state.SEEDS
                for value, path in self.facts.calls(top)
                if "random" in path[:-1] or getattr(value, "__name__", "") != "numpy"
            ]
            asked = {n for n, v in self.facts.named if top_of(v) == top}
            if any(direct):
                found[channel] = direct[0]
            elif asked & (global_state.SEEDS | self.facts.reached):
                found[channel] = True
        return {channel: first for channel, first in found.items() if channel in self.state}

    def _asked_for_states(self) -> set[str]:
        """Return the generators whose state the cell asked for."""
        is_asked = global_state.STATES & self.words
        return {c for c, top in PACKAGES.items() if is_asked and top in self.facts.tops}

    def _environment(self) -> set[str]:
        """Return the variables of the environment that the cell, or a program of it, names."""
        facts, touched = self.facts, self.touched
        texts = [*facts.shell_texts, *(facts.known_texts if "expandvars" in self.words else ())]
        found = {n for text in texts for n in EXPANDED.findall(text)}
        if touched.programs:  # which have the whole environment, and ask for what they name
            told = [*touched.programs, *facts.texts]
            found |= {w for text in told for w in re.findall(r"\w+", text)} & {*os.environ}
        if "%env" in self.words:  # without a value it tells one variable, or all
            asked = {text.strip() or "*" for text in facts.magic_texts}
            found |= asked & {"*", *os.environ}
        if self.words & ENVIRONMENT:
            known = set(os.environ)
            named = {t for t in facts.known_texts if t in known or VARIABLE.match(t)}
            found |= named or {"*"}
        return {f"env:{name}" for name in found}

    def draws(self, *, harmless: AbstractSet[str] = HARMLESS) -> bool:
        """Say whether the cell may draw: it does more with figures than what is harmless."""
        facts = self.facts
        return "matplotlib" in sys.modules and (
            bool(global_state.DRAWS & facts.attrs)
            or any(
                n in facts.reached
                or (use := facts.used.get(n)) is None
                or use.escapes
                or not use.attrs <= harmless
                for n, value in facts.named
                if top_of(value) in global_state.DRAWING or holds_artists(value)
            )
        )

    def _stored(self) -> tuple[set[str], set[str]]:
        """Return what `%store x` keeps for other notebooks, and what `%store -r x` brings back."""
        texts = self.facts.magic_texts if "%store" in self.words else ()
        kept = {f"store:{n}" for text in texts for n in text.split() if n.isidentifier()}
        back = any(text.startswith("-r") for text in texts)
        return (set(), kept or {"store:*"}) if back else (kept, set())

    def _typed(self) -> set[str]:
        """Return the earlier inputs that the cell asks for: `In[1]`, `_ih[1]`, `_i1`, `_i`."""
        asked = self.facts.loads.keys()
        found: set[int] = set()
        if asked & TYPED_BEFORE or any(TYPED.match(name) for name in asked):
            found |= {int(a or b) for a, b in TYPED.findall(self.cell.info.raw_cell)}
        found |= {self.cell.typed - n.count("i") for n in asked & {"_i", "_ii", "_iii"}}
        return {f"In[{count}]" for count in found}

    def _just_shown(self) -> set[str]:
        now = self.facts.shell.user_ns.get("_oh", ())
        return {f"Out[{count}]" for count in now if count not in self.cell.shown}

    def _outside(self) -> set[str]:
        shell: list[Any] = [w for t in self.facts.shell_texts for w in t.split()]
        texts = [*self.facts.texts, *shell]
        return {*self.touched.reached, *external.reached(self.facts.named, texts)}

    def _local_modules(self) -> set[str]:
        found: set[str] = set()
        new = len(sys.modules) - self.cell.modules
        # from the end: in a forked process, to look at each name is to copy the page it is on
        for name in list(itertools.islice(reversed(sys.modules), max(0, new))):
            file = getattr(sys.modules.get(name), "__file__", None)
            own = name.partition(".")[0] == "mlops_nb" or "_mlops_" in name
            if type(file) is str and not file.startswith(paths.NO_DATA) and not own:
                found.add(os.path.realpath(file))
        return found
