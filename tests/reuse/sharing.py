"""Random notebooks about shared state: two names for one object, changes in place, registries."""

import json
import random
import re

Cell = str | dict
NUMBER = re.compile(r"(?<![\w.'\"])\d(?![\w.'\"])")
START = (
    "import functools\nimport numpy as np\nimport pandas as pd\n"
    "def plain(v):\n"
    "    if isinstance(v, pd.DataFrame):\n        return v.to_dict('list')\n"
    "    if isinstance(v, np.ndarray):\n        return v.tolist()\n"
    "    return vars(v) if type(v).__module__ == '__main__' else v",
    {"code": "level = 1", "tags": ["parameters"]},
    "OPTIONS = {'scale': 3, 'inner': {'depth': 1}}\nHOOKS = []\nSTRICT = False\n"
    "def hook(f):\n    HOOKS.append(f)\n    return f",
)
MADE = {
    "list": "{n} = [{a}, 1, {b}]",
    "dict": "{n} = {{'one': {a}, 'many': [{b}, 2]}}",
    "frame": "{n} = pd.DataFrame({{'u': range({a} + 2), 'v': 0.5}})",
    "array": "{n} = np.arange({a} + 3)",
    "thing": "class C{n}:\n    size = {a}\n    seen = []\n{n} = C{n}()\n{n}.parts = [{b}]",
    "cache": "@functools.lru_cache\ndef of_{n}():\n    return [{a}]\n{n} = of_{n}()",
    "draw": "{n} = np.random.default_rng({a})",
    "count": "def of_{n}(to=[]):\n    to.append({a})\n    return len(to)\n{n} = of_{n}()",
}
CHANGED = {
    "list": ["{n}.append({a})", "{n}.sort()", "{n} += [{a}]", "{n} = [*{n}, {a}]", "{n}[0] = {a}"],
    "dict": ["{n}['k{a}'] = {b}", "{n}['many'].append({a})", "{n}.update(one={a})"],
    "frame": ["{n}['w'] = {n}['u'] * {a}", "{n}.loc[0, 'v'] = {a}", "{n} = {n}.assign(x={a})"],
    "array": ["{n} += {a}", "{n}[-1] = {a}", "{n} = {n} * {a}"],
    "thing": ["{n}.parts.append({a})", "type({n}).size = {a}", "type({n}).seen.append({a})"],
    "cache": ["{n}.append({a})", "of_{n}().append({a})"],
    "draw": ["d{a} = int({n}.integers(90)) + {a}\nprint(d{a})"],
    "count": ["{n} = of_{n}()", "of_{n}.extra = {a}\nprint(vars(of_{n}))"],
}
OTHER = (
    "s{a} = OPTIONS['scale'] * {b}\nOPTIONS['scale'] = {a}\nprint(s{a})",
    "@hook\ndef f{a}{b}(x):\n    return x + {a}",
    "t = 1\nfor h in HOOKS:\n    t = h(t)\nprint(t)",
    "np.random.seed({a})\nprint(np.random.randint(99))",
    "if level > 1:\n    HOOKS.append(abs)",
    "print(level * {a} + OPTIONS['scale'])",
    "STRICT = not STRICT\nprint(STRICT)",
)
INSERTED = ("OPTIONS['scale'] = 8", "OPTIONS['inner']['depth'] = 6", "HOOKS.append(len)")


class Maker:
    """Makes one notebook and its later versions from a seed."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.kinds: dict[str, str] = {}

    def _fill(self, text: str, name: str = "") -> str:
        a, b = self.draw.randint(2, 9), self.draw.randint(2, 9)
        return text.format(n=name, a=a, b=b)

    def _new(self, kind: str) -> str:
        name = f"{kind}{len(self.kinds)}"
        self.kinds[name] = kind
        return name

    def make(self) -> str:
        """Return a line that makes an object."""
        kind = self.draw.choice([*MADE])
        return self._fill(MADE[kind], self._new(kind))

    def share(self) -> str:
        """Return a line that gives an object another name, or puts it into another object."""
        known = [
            n for n, k in self.kinds.items() if k in {"list", "dict", "frame", "array", "thing"}
        ]
        if not known:
            return self.make()
        name = self.draw.choice(known)
        kind = self.kinds[name]
        if kind == "dict" and self.draw.random() < 0.5:
            return f"{self._new('list')} = {name}['many']"
        if kind == "array" and self.draw.random() < 0.5:
            return f"{self._new('array')} = {name}[1:]"
        if kind == "list" and self.draw.random() < 0.3:
            return f"{self._new('dict')} = {{'one': 0, 'many': {name}}}"
        return f"{self._new(kind)} = {name}"

    def change(self) -> str:
        """Return a line that changes an object."""
        if not self.kinds:
            return self.make()
        name = self.draw.choice([*self.kinds])
        return self._fill(self.draw.choice(CHANGED[self.kinds[name]]), name)

    def line(self) -> str:
        """Return any line."""
        other = lambda: self._fill(self.draw.choice(OTHER))  # noqa: E731
        return self.draw.choice([self.make, self.share, self.change, self.change, other])()

    def notebook(self) -> list[Cell]:
        """Return the cells of a notebook, each step under a heading of its own."""
        cells: list[Cell] = [*START]
        for part in range(self.draw.randint(4, 7)):
            cells.append({"markdown": f"## Part {part}"})
            lines = [self.line() for _ in range(self.draw.randint(1, 3))]
            shown = [n for n, k in self.kinds.items() if k != "draw"]
            picked = self.draw.sample(shown, min(2, len(shown)))
            cells.append("\n".join([*lines, *(f"print(plain({n}))" for n in picked)]))
        every = [f"print(plain({n}))" for n, k in self.kinds.items() if k != "draw"]
        return [*cells, {"markdown": "## All"}, "\n".join([*every, "print(OPTIONS, len(HOOKS))"])]

    def edit(self, cells: list[Cell]) -> list[Cell]:
        """Return the cells with one edit."""
        cells = json.loads(json.dumps(cells))
        code = [i for i, c in enumerate(cells) if isinstance(c, str) and 2 < i < len(cells) - 1]
        how = self.draw.randint(0, 4)
        place = self.draw.choice(code)
        numbers = list(NUMBER.finditer(str(cells[place])))
        if how < 3 and numbers:
            found = self.draw.choice(numbers)
            other = str((int(found[0]) + self.draw.randint(1, 5)) % 10)
            text = str(cells[place])
            cells[place] = text[: found.start()] + other + text[found.end() :]
        elif how == 3:
            cells.insert(3, self.draw.choice(INSERTED))
        else:
            cells.insert(place, self.change())
        return cells


def versions(seed: int) -> list[tuple[list[Cell], dict]]:
    """Return three versions of a notebook: (cells, parameters), each an edit of the one before."""
    maker = Maker(seed)
    cells = maker.notebook()
    found: list[tuple[list[Cell], dict]] = [(cells, {})]
    for _ in range(2):
        if maker.draw.random() < 0.25:
            found.append((cells, {"level": maker.draw.randint(2, 5)}))
        else:
            cells = maker.edit(cells)
            found.append((cells, {}))
    return found
