"""`pipeline.py`: the frozen notebook as a readable module, one function a step.

The names of a cell are globals in a notebook, and functions may read them. So the function of a
step declares the names that it makes as `global`: the same code with the same meaning.
"""

import ast
import builtins
import keyword
import re
import symtable
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from unicodedata import normalize

from mlops_nb.markup import visible
from mlops_nb.notebook.cells import IPYTHON_SYNTAX, python_of
from mlops_nb.notebook.model import CellFacts, Notebook, Pipeline

QUIET = re.compile(
    r"^[ \t]*%(matplotlib|load_ext|reload_ext|autoreload|config|precision)\b.*$", re.MULTILINE
)


# inside a function `%time` would bind local names: keep only its statement
TIMED = re.compile(r"^([ \t]*)%time[ \t]+(?=[^-\s])", re.MULTILINE)
FUTURE = re.compile(r"^from __future__ import .*$", re.MULTILINE)
# builtins that the function of a step must not hide, such as `filter`
RESERVED = {
    *dir(builtins),
    "display",
    "get_ipython",
    "main",
    "run_steps",
    "_typed",
    "_command_line",
    "asyncio",
    "changed",
    "names",
    "name",
    "value",
}


@dataclass(slots=True)
class Block:
    """Adjacent cells that become one function, or module-level code if `name` is ""."""

    name: str
    step: str
    cells: list[CellFacts]


def render(
    notebook: Notebook,
    pipeline: Pipeline,
    *,
    job: str,
    origin: str,
    folder: str,
    metrics: Sequence[str],
) -> str:
    """Return the text of `pipeline.py`.

    origin:  the source notebook, relative to the project
    folder:  the working folder, relative to the project
    metrics: names to print at the end
    """
    blocks = _blocks(pipeline)
    sources = {c.index: _plain(c.source) for c in notebook.cells}
    futures = sorted({line for text in sources.values() for line in FUTURE.findall(text)})
    sources = {index: FUTURE.sub("", text) for index, text in sources.items()}
    needs_ipython = any("get_ipython()" in text for text in sources.values())
    shows = any("display" in c.reads for c in pipeline.cells)
    head = _head(job, origin, pipeline, folder, ipython=needs_ipython, display=shows)
    parts = [head.replace("\n\nimport os\n", "\n".join(["\n", *futures, "import os", ""]), 1)]
    for block in blocks:
        body = "\n\n".join(sources[c.index].strip("\n") for c in block.cells)
        parts.append(_function(block, body, pipeline) if block.name else body)
    parts.append(_tail(blocks, pipeline, metrics, sources))
    return "\n\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n"


def _plain(source: str) -> str:
    """Return a cell as Python: magics without effect left out, other IPython syntax as calls."""
    text = TIMED.sub(r"\1", QUIET.sub("", source))
    return python_of(text) if IPYTHON_SYNTAX.search(text) else text


def functions(pipeline: Pipeline) -> dict[str, str]:
    """Return step → the function that holds exactly the cells of the step."""
    blocks = [b for b in _blocks(pipeline) if b.name and b.step]
    return {
        b.step: b.name
        for b in blocks
        if {c.index for c in b.cells} == {c.index for c in pipeline.cells if c.step == b.step}
    }


def _blocks(pipeline: Pipeline) -> list[Block]:
    top = _top_level(pipeline)
    first: list[CellFacts] = [c for c in pipeline.cells if c.index in top]
    blocks = [Block("", "", [cell]) for cell in first]
    taken = {*RESERVED, *(name for c in pipeline.cells for name in (*c.reads, *c.writes))}
    waiting: list[CellFacts] = []
    for cell in pipeline.cells:
        if cell.index in top or cell.kind == "empty":
            continue
        if cell.step is None:
            waiting.append(cell)
        elif blocks and blocks[-1].step == cell.step and not waiting:
            blocks[-1].cells.append(cell)
        else:
            blocks.append(Block(_identifier(cell.step, taken), cell.step, [*waiting, cell]))
            waiting = []
    if waiting:
        blocks.append(Block(_identifier("set_up", taken), "set-up", waiting))
    return blocks


def _top_level(pipeline: Pipeline) -> set[int]:
    """Return the parameters, and set-up cells that depend on no step and no parameter."""
    writers: dict[str, set[int]] = {}
    for cell in pipeline.cells:
        for name in (*cell.writes, *cell.changes):
            writers.setdefault(name, set()).add(cell.index)
    parameters = {c.index for c in pipeline.cells if c.kind == "parameters"}
    top = set(parameters)
    for cell in pipeline.cells:
        alone = all(writers[name] <= {cell.index} for name in cell.writes)
        if cell.kind == "setup" and alone and set(cell.depends_on) <= top - parameters:
            top.add(cell.index)
    return top


def _identifier(step: str, taken: set[str]) -> str:
    base = "".join(c if f"a{c}".isidentifier() else "_" for c in normalize("NFKC", step))
    if keyword.iskeyword(base) or not base.isidentifier():
        base = f"step_{base}"
    name, number = f"step_{base}" if base in taken else base, 1
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    taken.add(name)
    return name


def _function(block: Block, body: str, pipeline: Pipeline) -> str:
    uses = sorted({n for e in pipeline.edges if e.target == block.step for n in e.names})
    step = next((s for s in pipeline.steps if s.name == block.step), None)
    title = step.title if step else block.step
    stars, body = _hoisted(body)
    tree = _parsed(body)
    made = sorted({*_bound(body), *(name for cell in block.cells for name in cell.writes)})
    body = _without_annotations(body, tree)
    declared = "async def" if _awaits(tree) else "def"
    lines = [f"{declared} {block.name}() -> None:", f'    """{_quoted(title)}.']
    lines += ["", f"    Uses {', '.join(uses) or 'nothing'}; makes {', '.join(made) or 'nothing'}."]
    lines += ['    """']
    if made:
        wrapped = textwrap.wrap(", ".join(made), 88, break_long_words=False)
        lines += [f"    global {line.rstrip(',')}" for line in wrapped]
    text = "\n".join(lines) + "\n" + _indented(body, tree)
    return "\n".join([*stars, text]) if stars else text


def _bound(body: str) -> set[str]:
    """Return the names that a body binds or deletes: globals in a notebook."""
    table = symtable.symtable(body, "<cell>", "exec")
    return {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}


def _quoted(text: str) -> str:
    """Return a text for a docstring, in one line."""
    return visible(text).replace("\\", "\\\\").replace('"""', "'''").rstrip('."')


def _parsed(body: str) -> ast.Module:
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    tree: ast.Module = compile(body, "<cell>", "exec", flags)
    return tree


def _hoisted(body: str) -> tuple[list[str], str]:
    """Move star imports to the top, as Python allows them only there."""
    stars = re.findall(r"^from [\w.]+ import \*.*$", body, re.MULTILINE)
    return stars, re.sub(r"^from [\w.]+ import \*.*$", "", body, flags=re.MULTILINE)


def _awaits(tree: ast.Module) -> bool:
    todo: list[ast.AST] = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith):
            return True
        if isinstance(node, ast.comprehension) and node.is_async:
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            todo.extend(ast.iter_child_nodes(node))
    return False


def _without_annotations(body: str, tree: ast.Module) -> str:
    """Turn `x: int = 1` into `x = 1`: `global x` forbids the annotation."""
    lines = [line.encode() for line in body.split("\n")]
    for node in reversed(list(_own_nodes(tree))):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        end_line, end = node.annotation.end_lineno or 0, node.annotation.end_col_offset or 0
        if node.target.lineno != end_line:
            continue  # an annotation over several lines: the proof will show it
        line = lines[end_line - 1]
        kept = (
            line[: node.target.end_col_offset] if node.value else line[: node.col_offset] + b"pass"
        )
        lines[end_line - 1] = kept + line[end:]
    return b"\n".join(lines).decode()


def _own_nodes(tree: ast.Module) -> Iterable[ast.AST]:
    todo: list[ast.AST] = list(tree.body)
    while todo:
        node = todo.pop(0)
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            todo.extend(ast.iter_child_nodes(node))


def _indented(body: str, tree: ast.Module) -> str:
    """Indent a body, but not the inside of strings that run over several lines."""
    inside: set[int] = set()
    for node in ast.walk(tree):
        text = isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
        if isinstance(node, ast.expr) and (text or isinstance(node, ast.JoinedStr)):
            inside |= set(range(node.lineno + 1, (node.end_lineno or node.lineno) + 1))
    lines = body.split("\n")
    return "\n".join(
        line if number in inside or not line.strip() else f"    {line}"
        for number, line in enumerate(lines, 1)
    )


def _head(
    job: str, origin: str, pipeline: Pipeline, folder: str, *, ipython: bool, display: bool
) -> str:
    steps = " → ".join(step.name for step in pipeline.steps)
    lines = [
        f'"""{job}: {steps}.',
        "",
        f"Frozen from {_quoted(origin)} by mlops-nb: the same cells, one function a step.",
        "It runs by itself:",
        "",
        "    python pipeline.py [-p NAME VALUE]... [--json]",
        '"""',
        "",
        "import os",
        "import sys",
        "from pathlib import Path",
        "",
        "HERE = Path(__file__).resolve().parent",
        "PROJECT = next((p for p in HERE.parents if (p / '.mlops').is_dir()), HERE.parents[1])",
        f"FOLDER = Path(os.environ.get('MLOPS_NB_FOLDER') or PROJECT / {folder!r})",
        "if FOLDER.is_dir():",
        "    os.chdir(FOLDER)",
        "sys.path.insert(0, str(FOLDER))",
        "sys.path.insert(0, str(HERE / 'modules'))",
        "os.environ.setdefault('MPLBACKEND', 'Agg')",
    ]
    if ipython:
        lines += [
            "",
            "from IPython.core.interactiveshell import InteractiveShell  # noqa: E402",
            "from traitlets.config import Config  # noqa: E402",
            "",
            "_config = Config()",
            "_config.HistoryManager.enabled = False",
            "_shell = InteractiveShell.instance(config=_config, user_ns=globals())",
            "get_ipython = lambda: _shell  # noqa: E731",
        ]
    if display:
        lines += ["", "from IPython.display import display  # noqa: E402, F401"]
    return "\n".join(lines)


COMMAND_LINE = """
def _typed(name: str, text: str) -> object:
    import ast

    if isinstance(globals().get(name), str):
        return text
    for kind in (ast.literal_eval, int, float):
        try:
            return kind(text)
        except (ValueError, SyntaxError):
            continue
    return text


def _command_line() -> None:
    import json
    import sys

    words, given = sys.argv[1:], {{}}
    as_json = '--json' in words and not words.remove('--json')
    while words:
        if words[0] != '-p' or len(words) < 3:
            raise SystemExit(__doc__)
        given[words[1]] = _typed(words[1], words[2])
        del words[:3]
    measured = {main}(**given)
    if as_json:
        print(json.dumps({{'version': 1, 'metrics': measured}}))
    else:
        for name, value in measured.items():
            print(f'{{name}} = {{value:.6g}}')


if __name__ == "__main__":
    _command_line()
"""


def _tail(
    blocks: Sequence[Block], pipeline: Pipeline, metrics: Sequence[str], sources: dict[int, str]
) -> str:
    calls = []
    for block in blocks:
        if block.name:
            text = "\n\n".join(sources[c.index] for c in block.cells)
            waits = _awaits(_parsed(_hoisted(text)[1]))
            calls.append(f"    {'asyncio.run(' if waits else ''}{block.name}(){')' * waits}")
    known = ", ".join(repr(p.name) for p in pipeline.parameters)
    main = "run_steps" if any("main" in c.writes for c in pipeline.cells) else "main"
    asyncio = ["    import asyncio", ""] if any("asyncio.run" in c for c in calls) else []
    lines = [
        f"def {main}(**changed: object) -> dict[str, float]:",
        '    """Run every step with the given parameters and return the metrics."""',
        *asyncio,
        "    for name, value in changed.items():",
        f"        if name not in ({known}{',' if known else ''}):",
        "            raise SystemExit(f'error: there is no parameter {name!r}')",
        "        globals()[name] = value",
        *calls,
        f"    names = {tuple(metrics)!r}",
        "    return {name: float(globals()[name]) for name in names if name in globals()}",
        "",
    ]
    return "\n".join(lines) + COMMAND_LINE.format(main=main).rstrip("\n")
