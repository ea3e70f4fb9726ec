"""The actions of the panel, each as the words of a verb of the command line."""

import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from mlops_nb.errors import Refused

NOTEBOOK = "notebook"  # the place of the notebook's own name


class Form(Struct, frozen=True):
    """One action: a verb, what it needs in its place, and the options that it may have.

    options: name of an argument → option; a list gives it several times
    switches: options that are always given
    asks: it waits for a confirmation after its first answer
    typed: the argument that it reads from its input, as JSON
    """

    verb: str
    places: tuple[str, ...] = ()
    options: Mapping[str, str] = {}
    switches: tuple[str, ...] = ()
    takes_parameters: bool = False
    asks: bool = False
    typed: str = ""


PROMOTION = {
    "name": "--name",
    "model": "--model",
    "schedule": "--schedule",
    "timezone": "--tz",
    "gates": "--gate",
    "triggers": "--on",
    "approval": "--approval",
}
FORMS = {
    "run": Form("run", (NOTEBOOK,), takes_parameters=True),
    "stop": Form("stop", ("run",)),
    "why": Form("why", (NOTEBOOK, "step")),
    "check": Form("check", (NOTEBOOK,)),
    "diff": Form("diff", ("before", "after")),
    "promote": Form("promote", (NOTEBOOK,), PROMOTION, ("--confirm",), asks=True),
    "replace": Form("promote", (NOTEBOOK,), PROMOTION, ("--confirm", "--replace"), asks=True),
    "pause": Form("pause", ("job",)),
    "unpause": Form("unpause", ("job",)),
    "trigger": Form("trigger", ("job",), takes_parameters=True),
    "history": Form("history", ("job",), {"last": "--last"}),
    "apply": Form("apply", ("job",)),
    "approve": Form("approve", ("model", "version")),
    "rollback": Form("rollback", ("model",), {"to": "--to"}),
    "watch": Form("watch", ("model",)),
    "charts": Form("charts", ("model",), {"width": "--width", "theme": "--theme"}),
    "scheduler": Form("launch"),
    "try": Form("attempt", ("model",), typed="rows"),
    "ack": Form("ack", ("alert",)),
    "ack-false": Form("ack", ("alert",), switches=("--false",)),
}


def words(action: str, notebook: str, arguments: Mapping[str, Any]) -> list[str]:
    """Return the words of the command line that do an action.

    notebook: the name of the notebook that is open

    Raises Refused for an unknown action, or an argument that it lacks or does not know.

    >>> words("run", "a.ipynb", {"parameters": {"depth": 3}})
    ['run', '-p', 'depth', '3', '--json', '--', 'a.ipynb']
    >>> words("rollback", "a.ipynb", {"model": "clf", "to": 2})
    ['rollback', '--to=2', '--json', '--', 'clf']
    """
    form = FORMS.get(action)
    if form is None:
        raise _refused(f"there is no action {action!r}")
    given = {**arguments, NOTEBOOK: notebook}
    known = {*form.places, *form.options, NOTEBOOK}
    known |= {"parameters"} if form.takes_parameters else set()
    known |= {form.typed} if form.typed else set()
    if unknown := sorted(given.keys() - known):
        raise _refused(f"{action!r} takes no {unknown[0]!r}")
    found = [form.verb]
    for name, option in form.options.items():
        value = given.get(name)
        several = value if isinstance(value, list) else [value]
        found += [f"{option}={text}" for text in map(_text, several) if text]
    for name, value in (given.get("parameters") or {}).items():
        found += ["-p", str(name), _text(value)]
    places = [_text(given.get(name)) for name in form.places]
    if missing := [name for name, text in zip(form.places, places, strict=True) if not text]:
        raise _refused(f"{action!r} needs {missing[0]!r}")
    return [*found, *form.switches, "--json", "--", *places]


def typed(action: str, arguments: Mapping[str, Any]) -> bytes:
    """Return what an action reads from its input."""
    name = FORMS[action].typed
    return json.dumps(arguments[name]).encode() if arguments.get(name) else b""


def _text(value: Any) -> str:
    """Return a value as it is typed on a command line."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _refused(what: str) -> Refused:
    return Refused(what, fix="reload the page: the panel and the server may be of other versions")
