"""Works out what a cell did that no name tells: channels, files, modules, the world outside."""

import ast
import itertools
import os
import re
import sys
import types
from collections.abc import Set as AbstractSet
from typing import Any

from ..introspect import top_of
from . import external, global_state, paths
from .displays import options_read
from .evidence import Evidence
from .figures import holds_artists
from .files import Files
from .memory import Memory

ENVIRONMENT = frozenset({"environ", "getenv", "environb"})
# what asks for a variable of the environment by itself, of which package, and for which one
ASKS_ENVIRONMENT = (
    ("home", "pathlib", "HOME"),
    ("expanduser", "", "HOME"),
    ("gettempdir", "tempfile", "TMPDIR"),
    ("mkdtemp", "tempfile", "TMPDIR"),
    ("NamedTemporaryFile", "tempfile", "TMPDIR"),
    ("which", "shutil", "PATH"),
    ("getuser", "getpass", "USER"),
)
EXPANDED = re.compile(r"\$\{?(\w+)")
VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*\Z")
TYPED = re.compile(r"\b(?:In|_ih)\[(\d+)\]|(?<![\w.])_i(\d+)\b")
TYPED_BEFORE = frozenset({"In", "_ih", "_i", "_ii", "_iii"})
TYPED_AGAIN = frozenset({"%macro", "%rerun", "%recall", "%rep", "%history", "%hist", "%save"})
RANGE = re.compile(r"(?<![\w.~/])(\d+)(?:-(\d+))?(?![\w.])")
PACKAGES = {"rng:numpy": "numpy", "rng:random": "random", "rng:torch": "torch"}


class Hidden:
    """What one cell did beside names."""

    def __init__(self, facts: Evidence, memory: Memory) -> None:
        self.facts, self.cell, self.touched = facts, facts.cell, facts.touched
        self.memory = memory
        self.words = {*facts.attrs, *facts.used}

    def tell(self) -> dict[str, set[str]]:
        """Return it, each kind by its key in the facts of the cell."""
        modules = self._local_modules()
        read, changed = self._channels(modules)
        written = Files(self.facts, self.memory).written(modules)
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
        facts = self.facts
        draws = self._draws()
        if global_state.SEEDS & self.words:
            global_state.forget()
        state = self.memory.state = global_state.state()
        changed = global_state.changed(self.cell.state, state, self.words)
        changed |= {"figures"} if state.get("figures") and self.may_redraw() else set()
        drawn = {c for c in changed if c.startswith("rng:")}
        seeds = self._seeds()
        read = {c for c in drawn if not seeds.get(c, False)} | self._asked_for_states()
        changed |= seeds.keys()
        read |= {c for c, asked in global_state.ASKS.items() if asked & self.words}
        programs = self.touched.programs
        if self.touched.relative or facts.shell_texts or self.touched.listed or programs:
            read.add("cwd")
        if modules or self._asks_for_path():
            read.add("sys.path")
        if "sklearn" in facts.tops:
            read.add("sklearn.config")
        read |= self._environment() | self._modes()
        if draws:
            read |= {"matplotlib"} | ({"figures"} if self._draws_on() else set())
        read |= {f"Out[{count}]" for count in self.cell.outs} | self._typed()
        read |= options_read(facts, self.memory.ever_set, self.memory.limits)
        if "warnings" in changed and not modules and self._only_imports():
            changed.discard("warnings")  # filters that packages bring along, wherever imported
        read |= {f"cache:{n}" for n in {*facts.used, *facts.reached} & self.memory.caches}
        settings = self.memory.settings
        read |= settings.read(facts)
        stored, restored = self._stored()
        changed |= stored | self._just_shown() | settings.changed(facts)
        changed |= {"display.formatters"} if global_state.FORMATTERS & facts.attrs else set()
        self.memory.ever_set |= changed
        return read | restored, changed

    def _modes(self) -> set[str]:
        """Return the modes that the cell goes by without a word of them, where one was set."""
        facts = self.facts
        holds = {
            "numpy.err": lambda: "numpy" in facts.tops and global_state.computes(facts.attrs),
            "decimal": lambda: any(global_state.has_decimals(value) for _, value in facts.named),
            "display.interactivity": self._shows_all,
        }
        return {mode for mode, ask in holds.items() if mode in self.memory.ever_set and ask()}

    def _seeds(self) -> dict[str, bool]:
        """Return the generators that the cell set to a state, and whether it did so at first."""
        if not global_state.SEEDS & self.words:
            return {}
        found = {}
        for channel, top in PACKAGES.items():
            calls = [
                path
                for value, path in self.facts.calls(top)
                if "random" in path[:-1] or getattr(value, "__name__", "") != "numpy"
            ]
            direct = [path[-1] in global_state.SEEDS for path in calls]
            asked = [v for n, v in self.facts.named if n in global_state.SEEDS]
            reached = [v for n, v in self.facts.named if n in self.facts.reached]
            if any(direct):
                found[channel] = direct[0]
            elif top in {top_of(v) for v in (*asked, *reached)}:
                found[channel] = True
        state = self.memory.state or {}
        return {channel: first for channel, first in found.items() if channel in state}

    def _asked_for_states(self) -> set[str]:
        """Return the generators whose state the cell asked for."""
        if not global_state.STATES & self.words:
            return set()
        asked = [v for n, v in self.facts.named if n in global_state.STATES]
        asked += [
            v
            for top in PACKAGES.values()
            for v, path in self.facts.calls(top)
            if path[-1] in global_state.STATES
        ]
        tops = {top_of(v) for v in asked}
        return {c for c, top in PACKAGES.items() if top in tops and c in (self.cell.state or {})}

    def _asks_for_path(self) -> bool:
        both = self.facts.both
        return any(both.get(n) is sys and "path" in use.attrs for n, use in self.facts.used.items())

    def _environment(self) -> set[str]:
        texts = [*self.facts.shell_texts]
        if "expandvars" in self.words:
            texts += self.facts.known_texts
        found = {f"env:{n}" for text in texts for n in EXPANDED.findall(text)}
        if self.touched.programs:  # which have the whole environment, and ask for what they name
            told = [*self.touched.programs, *self.facts.texts]
            words = {w for text in told for w in re.findall(r"\w+", text)}
            found |= {f"env:{n}" for n in words if n in os.environ}
        if "%env" in self.words:  # without a value it tells one variable, or all
            asked = {text.strip() or "*" for text in self.facts.magic_texts}
            found |= {f"env:{n}" for n in asked if n == "*" or n in os.environ}
        tops = {*self.facts.tops, ""}
        found |= {
            f"env:{variable}"
            for word, top, variable in ASKS_ENVIRONMENT
            if word in self.words and top in tops
        }
        if self.words & ENVIRONMENT:
            known = set(os.environ)
            named = {t for t in self.facts.known_texts if t in known or VARIABLE.match(t)}
            found |= {f"env:{n}" for n in named} or {"env:*"}
        return found

    def _draws(self) -> bool:
        """Say whether the cell may draw: it has to do with what draws, and not just closes it."""
        return "matplotlib" in sys.modules and (
            bool(global_state.DRAWS & self.facts.attrs)
            or any(holds_artists(value) for _, value in self.facts.named)
            or self._uses_beyond(global_state.NEUTRAL)
        )

    def may_redraw(self) -> bool:
        """Say whether the cell may change a figure: it does more than show or save it."""
        return "matplotlib" in sys.modules and (
            bool(global_state.DRAWS & self.facts.attrs) or self._uses_beyond(global_state.LOOKS)
        )

    def _uses_beyond(self, harmless: AbstractSet[str]) -> bool:
        """Say whether more than some attributes of an artist, or of what draws, is used."""
        facts = self.facts
        return any(
            n in facts.reached
            or use is None
            or use.escapes
            or not use.attrs <= harmless
            or not use.attrs
            for n, value in facts.named
            if top_of(value) in global_state.DRAWING or holds_artists(value)
            for use in [facts.used.get(n)]
        )

    def _draws_on(self) -> bool:
        """Say whether the cell has to do with a figure that was begun before."""
        if not self.cell.state.get("figures"):
            return False
        for value, path in self.facts.calls(*global_state.DRAWING):
            if type(value) is types.ModuleType and path[0] not in global_state.PARAMETERS:
                return path[-1] not in global_state.BEGINS or self._turns_back(path[-1])
        asked = self.facts.attrs
        return not global_state.BEGINS & asked and not (asked and asked <= global_state.PARAMETERS)

    def _turns_back(self, call: str) -> bool:
        """Say whether `plt.figure("A")` turned to a figure that was there before."""
        before = {figure[1] for figure in self.cell.state["figures"]}
        now = (self.memory.state or {}).get("figures") or ()
        return call == "figure" and all(figure[1] in before for figure in now)

    def _shows_all(self) -> bool:
        """Say whether more than the last expression of the cell would be shown, if one asks."""
        return any(
            isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)
            for tree, _ in self.cell.trees[:1]
            for node in getattr(tree, "body", ())[:-1]
        )

    def _only_imports(self) -> bool:
        """Say whether nothing but imports ran: no other code set what they brought along."""
        nodes = [n for tree, _ in self.cell.trees[:1] for n in getattr(tree, "body", ())]
        return bool(nodes) and all(
            isinstance(node, ast.Import | ast.ImportFrom)
            or ast.unparse(node).startswith("get_ipython().run_line_magic('matplotlib',")
            for node in nodes
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
        if TYPED_AGAIN & self.words:
            texts = self.facts.magic_texts
            spans = [span for text in texts for span in RANGE.findall(text)]
            for first, last in spans:
                end = min(int(last or first), self.cell.typed)
                found |= set(range(int(first), end + 1))
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
