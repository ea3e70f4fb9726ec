"""The IPython extension: `%load_ext mlops_nb`, then `%mlops VERB`."""

import shlex
import sys
from difflib import get_close_matches
from inspect import getdoc
from typing import Any

from mlops_nb.errors import MlopsError, NotFound, Refused
from mlops_nb.jupyter import notebook_path
from mlops_nb.markup import lines
from mlops_nb.notebook.markers import MARKS, marks, names_in
from mlops_nb.verbs import VERBS

VERB_AND_NAME = 2  # words
IN_NOTEBOOKS = {"status", "restore"}
WITH_BUTTONS = frozenset(
    {"graph", "status", "runs", "sweep", "diff", "lineage", "watch", "jobs", "models"}
)
AS_TEXT = frozenset({"-h", "--help", "--json", "--mermaid", "--observe"})
_sessions: dict[int, Any] = {}


def load(shell: Any) -> None:
    """Register `%mlops` and `%%mlops`, and turn the cell form into the line form."""
    shell.register_magic_function(line_magic, "line", "mlops")
    shell.set_hook("complete_command", _complete, re_key=r"%{0,2}mlops\b")
    _observe(shell)
    transformers = shell.input_transformer_manager.cleanup_transforms
    if _to_line_form not in transformers:
        transformers.append(_to_line_form)


def _observe(shell: Any) -> None:
    """Observe the cells of the shell, once, unless a run of mlops_nb observes them already."""
    if id(shell) in _sessions or "_mlops_probe" in sys.modules:
        return
    from mlops_nb.project import open_project

    session = open_project().session(shell, _notebook)
    session.install()
    _sessions[id(shell)] = session
    if getattr(shell, "kernel", None) is not None:
        from mlops_nb.jupyter.channel import PanelChannel

        PanelChannel(session).open()


def _to_line_form(lines: list[str]) -> list[str]:
    """Turn `%%mlops step NAME` into its line form: a nested run_cell would hide failures."""
    if lines and lines[0].startswith("%%mlops"):
        return [lines[0][1:], *lines[1:]]
    return lines


def line_magic(line: str) -> Any:
    """Mark what a cell is, ask about the pipeline, or act on it: `%mlops VERB`.

    %mlops step NAME        mark this cell as (part of) a step
    %mlops model VAR         name the model      %mlops metric NAMES   name the metrics
    %mlops graph             draw the pipeline   %mlops check          what would stop a promotion
    %mlops status            which steps are up to date   %mlops why STEP    why a step must run
    %mlops restore [--run RUN]  load results again   %mlops lineage NAME    where a value comes from
    %mlops sweep -g NAME=V1,V2  compare values   %mlops stop RUN          stop a run or a sweep
    %mlops runs | diff RUN RUN | watch MODEL | jobs | models     with buttons
    %mlops run | promote | history | rollback    as on the command line: mlops-nb --help
    """
    words = shlex.split(line, comments=True)
    try:
        if words and words[0] in MARKS:
            _note_mark(line)
            return None
        if "_mlops_probe" in sys.modules:
            _say(f"%mlops {line.strip()}: nothing is done, as this is a run of mlops-nb")
            return None
        return _verb(words) if words else _overview()
    except _Pathless as error:
        _say(f"%mlops {line.strip()}: nothing is done, as {error.what}\n  fix: {error.fix}")
        return None
    except MlopsError as error:
        raise _Shown(error) from None


def _say(text: str) -> None:
    print(text)  # noqa: T201  the output of a cell


def _note_mark(line: str) -> None:
    """Check a mark; say what a mark of the whole notebook declares.

    Raises NotebookError for one that cannot be read.
    """
    from mlops_nb.notebook.model import Cell

    (mark,) = marks(Cell(index=0, position=0, id="", source=f"%mlops {line}"))
    if id(_shell()) not in _sessions or mark.word == "step" or not _path():
        return  # nobody types in a kernel that no front end started
    if mark.word == "model":
        name = mark.options.get("--name", mark.args[0])
        _say(f"noted: `{mark.args[0]}` is the model; promotion registers it as {name!r}")
    elif mark.word == "metric" and "--from" in mark.options:
        function = mark.options["--from"]
        _say(f"noted: the metric `{mark.args[0]}` is what {function}() computes at the evaluation")
    elif mark.word == "metric":
        names = ", ".join(f"`{name}`" for arg in mark.args for name in names_in(arg))
        _say(f"noted: the metrics are {names}, and no other number is one")
    else:
        given = ", ".join(f"{k.removeprefix('--')} {v}" for k, v in mark.options.items())
        _say(f"noted: the model is evaluated by {given}")


def _shell() -> Any:
    return __import__("IPython").get_ipython()


def _complete(_: Any, event: Any) -> list[str]:
    """Return the words that Tab offers after `%mlops`: verbs, or the names of steps."""
    words = str(event.text_until_cursor).split()
    if len(words) > VERB_AND_NAME or (len(words) == VERB_AND_NAME and not event.symbol):
        session = _sessions.get(id(_shell()))
        try:
            return [] if session is None else [s.name for s in session.source().pipeline.steps]
        except MlopsError:  # the notebook cannot be read
            return []
    return sorted(MARKS | IN_NOTEBOOKS | VERBS.keys())


def _verb(words: list[str]) -> Any:
    from mlops_nb.jupyter.widgets import command, static

    verb = words[0]
    known = MARKS | IN_NOTEBOOKS | VERBS.keys()
    if not verb.startswith("-") and verb not in known:
        near = get_close_matches(verb, sorted(known), n=1)
        fix = f"did you mean `%mlops {near[0]}`?" if near else "type %mlops? for the verbs"
        raise NotFound(f"%mlops has no verb {verb!r}", fix=fix)
    session = _sessions.get(id(_shell()))
    if session is not None and verb in WITH_BUTTONS and not AS_TEXT & set(words):
        return _with_buttons(session, words)
    if session is not None and verb in {"restore", "check"}:
        return getattr(static, verb)(session, *words[1:])
    return command.show(words, _notebook)


def _with_buttons(session: Any, words: list[str]) -> Any:
    """Return the answer of a verb as a widget."""
    verb, *more = words
    if verb in {"graph", "status", "sweep"}:
        notebook = _notebook()
    from mlops_nb.jupyter.widgets import answers

    if verb == "sweep":
        return answers.sweep(_shell(), notebook, more)
    if verb in {"graph", "status"}:
        return answers.steps(session, verb)
    if verb == "lineage" and len(words) == VERB_AND_NAME:
        return answers.lineage(session, more[0])
    return answers.asked(words)


def _overview() -> Any:
    from mlops_nb.jupyter.widgets import static

    try:
        return static.overview(_notebook())
    except MlopsError:
        _say(getdoc(line_magic) or "")
        return None


def _notebook() -> str:
    """Return the path of the notebook that this kernel belongs to.

    Raises Refused if the front end does not pass it on.
    """
    path = _path()
    if not path and (before := notebook_path.given(_shell().user_ns)):
        raise NotFound(
            f"the notebook is no longer at {before!r}",
            fix="save it under its new name, and restart the kernel: it then knows where it is",
        )
    if not path:
        raise _Pathless(
            "the notebook's path is not known here: the front end does not pass it on",
            fix="save the notebook and open it in JupyterLab 4, or use `mlops-nb` in a terminal",
        )
    return path


def _path() -> str:
    """Return the path of the notebook, "" if the front end does not pass it on."""
    session = _sessions.get(id(_shell()))
    cells = session.live.cells.keys() if session is not None else ()
    return notebook_path.find(notebook_path.given(_shell().user_ns), cells)


class _Pathless(Refused):
    """The kernel does not know which notebook it runs."""


class _Shown(Exception):
    """An error that IPython shows as a message and a fix, without a traceback."""

    def __init__(self, error: MlopsError) -> None:
        super().__init__(str(error))
        self.error = error

    def _render_traceback_(self) -> list[str]:
        return lines(str(self.error)).splitlines()
