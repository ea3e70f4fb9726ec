"""The states of the global random generators: told, kept in files, and set again."""

import json
import os
import pickle
import sys
import uuid
from typing import Any

from ..fingerprint.digest import digest_or_unknown
from ..observe import global_state

CHANNELS = ("rng:random", "rng:numpy", "rng:torch")


def _module(channel: str) -> Any:
    name = {"rng:random": "random", "rng:numpy": "numpy.random", "rng:torch": "torch"}[channel]
    return sys.modules.get(name)


def _state(channel: str) -> Any:
    module = _module(channel)
    if module is None:
        return None
    if channel == "rng:random":
        return module.getstate()
    return module.get_state(legacy=False) if channel == "rng:numpy" else module.get_rng_state()


def states(_: str = "") -> str:
    """Tell a digest of each generator's state, "" for those that are not loaded."""
    found = {c: _state(c) for c in CHANNELS}
    return json.dumps({c: "" if s is None else digest_or_unknown(s) for c, s in found.items()})


def save(request: str) -> str:
    """Write the states of some generators; answer {"entries"} as `values.save` does."""
    import hashlib

    asked = json.loads(request)
    entries = []
    for channel in asked["channels"]:
        data = pickle.dumps(_state(channel), protocol=5)
        path = os.path.join(asked["folder"], f"generator-{uuid.uuid4().hex}.pickle")
        with open(path, "wb") as file:
            file.write(data)
        entries.append(
            {
                "names": [channel],
                "format": "state",
                "file": path,
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
        )
    return json.dumps({"entries": entries})


def load(request: str) -> str:
    """Set generators to states that were kept; answer {"damaged"}."""
    import hashlib
    import importlib

    damaged = []
    for entry in json.loads(request)["entries"]:
        channel = entry["names"][0]
        with open(entry["file"], "rb") as file:
            data = file.read()
        if hashlib.sha256(data).hexdigest() != entry["sha256"]:
            damaged.append({"names": entry["names"], "why": "its bytes are not what was written"})
            continue
        state = pickle.loads(data)
        if _module(channel) is None:
            importlib.import_module("numpy.random" if channel == "rng:numpy" else channel[4:])
        module = _module(channel)
        if channel == "rng:random":
            module.setstate(state)
        elif channel == "rng:numpy":
            module.set_state(state)
        else:
            module.set_rng_state(state)
    global_state.forget()
    return json.dumps({"damaged": damaged})


def define(request: str) -> str:
    """Execute imports, functions and classes of cells that stand; answer {"error"}."""
    shell = sys.modules["IPython"].get_ipython()
    for text in json.loads(request)["texts"]:
        try:
            exec(compile(text, "<definitions of a cell that stands>", "exec"), shell.user_ns)  # noqa: S102
        except Exception as error:  # noqa: BLE001  the notebook's own code
            return json.dumps({"error": f"{type(error).__name__}: {error}"})
    return json.dumps({"error": ""})
