"""The states of the global random generators: told, kept in files, and set again."""

import importlib
import json
import sys
from typing import Any

from ..fingerprint.digest import digest_or_unknown
from . import save_load

MODULES = {"rng:random": "random", "rng:numpy": "numpy.random", "rng:torch": "torch"}
SETTERS = {"rng:random": "setstate", "rng:numpy": "set_state", "rng:torch": "set_rng_state"}


def _state(channel: str) -> Any:
    module = sys.modules.get(MODULES[channel])
    if module is None:
        return None
    if channel == "rng:numpy":
        return module.get_state(legacy=False)
    return module.getstate() if channel == "rng:random" else module.get_rng_state()


def states(_: str = "") -> str:
    """Tell a digest of each generator's state, "" for those that are not loaded."""
    found = {c: _state(c) for c in MODULES}
    return json.dumps({c: "" if s is None else digest_or_unknown(s) for c, s in found.items()})


def save(request: str) -> str:
    """Write the states of some generators; answer {"entries"} as `save_load.write` returns them."""
    asked = json.loads(request)
    states = {channel: _state(channel) for channel in asked["channels"]}
    return json.dumps({"entries": save_load.write(states, asked["folder"])})


def load(request: str) -> str:
    """Set generators to states that were kept; answer {"damaged"}."""
    states: dict[str, Any] = {}
    answer = save_load.read(json.loads(request)["entries"], states)
    for channel, state in states.items():
        module = importlib.import_module(MODULES[channel])
        getattr(module, SETTERS[channel])(state)
    return json.dumps({"damaged": answer["damaged"]})


def define(request: str) -> str:
    """Execute imports, functions and classes of cells that stand; answer {"error"}."""
    shell = sys.modules["IPython"].get_ipython()
    for text in json.loads(request)["texts"]:
        try:
            exec(compile(text, "<definitions of a cell that stands>", "exec"), shell.user_ns)  # noqa: S102
        except Exception as error:  # noqa: BLE001  the notebook's own code
            return json.dumps({"error": f"{type(error).__name__}: {error}"})
    return json.dumps({"error": ""})
