"""The IPython extension: `%load_ext mlops_nb`, then `%mlops VERB`."""

import shlex
from typing import Any

from mlops_nb.errors import MlopsError, Refused
from mlops_nb.notebook.markers import marks

VERB_AND_NAME = 2  # words
MARKS = {"step", "model", "metric", "evaluate"}
HELP = """%mlops step NAME        mark this cell as (part of) a step
%mlops model VAR         name the model      %mlops metric NAMES   name the metrics
%mlops graph             draw the pipeline   %mlops check          what would stop a promotion
%mlops status            which steps are up to date   %mlops why STEP    why a step must run
%mlops restore [--run RUN]  load results again   %mlops lineage NAME    where a value comes from
%mlops sweep -g NAME=V1,V2  compare values   %mlops stop RUN          stop a run or a sweep
%mlops run | promote | jobs | rollback       as on the command line: mlops-nb --help"""
_sessions: dict[int, Any] = {}


def load(shell: Any) -> None:
    """Register `%mlops` and `%%mlops`, and turn the cell form into the line form."""
    shell.register_magic_function(line_magic, "line", "mlops")
    _observe(shell)
    transformers = shell.input_transformer_manager.cleanup_transforms
    if _to_line_form not in transformers:
        transformers.append(_to_line_form)


def _observe(shell: Any) -> None:
    """Observe the cells of the shell, once, unless a run of mlops_nb observes them already."""
    import sys

    if id(shell) in _sessions or "_mlops_probe" in sys.modules:
        return
    from mlops_nb.project import open_project

    session = open_project().session(shell, _notebook)
    session.install()
    _sessions[id(shell)] = session


def _to_line_form(lines: list[str]) -> list[str]:
    """Turn `%%mlops step NAME` into its line form: a nested run_cell would hide failures."""
    if lines and lines[0].startswith("%%mlops"):
        return [lines[0][1:], *lines[1:]]
    return lines


def line_magic(line: str) -> Any:
    """Run a `%mlops` line; an error is shown as one message with its fix."""
    words = shlex.split(line, comments=True)
    try:
        if not words:
            return _overview()
        if words[0] in MARKS:
            _check_mark(line)
            return None
        return _verb(words)
    except MlopsError as error:
        raise _Shown(error) from None


def _check_mark(line: str) -> None:
    from mlops_nb.notebook.model import Cell

    marks(Cell(index=0, position=0, id="", source=f"%mlops {line}"))


def _verb(words: list[str]) -> Any:
    from mlops_nb.jupyter import widgets

    if words[0] == "graph":
        return widgets.graph(_notebook())
    if words[0] == "sweep" and not {"-h", "--help", "--json"} & set(words):
        return widgets.sweep(_notebook(), words[1:])
    if words[0] == "lineage" and len(words) == VERB_AND_NAME:
        return widgets.lineage(_notebook(), words[1])
    session = _sessions.get(id(__import__("IPython").get_ipython()))
    if session is not None and words[0] in {"status", "restore", "check"}:
        return getattr(widgets, words[0])(session, *words[1:])
    return widgets.command_line(words, _notebook)


def _overview() -> Any:
    from mlops_nb.jupyter import widgets

    try:
        return widgets.overview(_notebook())
    except MlopsError:
        print(HELP)  # noqa: T201  the output of a cell
        return None


def _notebook() -> str:
    """Return the path of the notebook that this kernel belongs to.

    Raises Refused if the front end does not pass it on.
    """
    import os

    shell = __import__("IPython").get_ipython()
    path = shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME", "")
    if not path or not os.path.exists(path):
        raise Refused(
            "the notebook's path is not known here: the front end does not pass it on",
            fix="save the notebook and open it in JupyterLab 4, or use `mlops-nb` in a terminal",
        )
    return str(path)


class _Shown(Exception):
    """An error that IPython shows as a message and a fix, without a traceback."""

    def __init__(self, error: MlopsError) -> None:
        super().__init__(str(error))
        self.error = error

    def _render_traceback_(self) -> list[str]:
        return str(self.error).splitlines()
