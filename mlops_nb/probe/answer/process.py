"""The process of one version: reads batches of columns from a socket, and writes answers.

A message is four bytes of length, little-endian, and JSON. The first one says that the version is
ready, with the answers to its golden requests, or why it cannot be.
"""

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import struct
import sys
import time
import traceback
from typing import Any

from .answers import Answers

orjson: Any = None
with contextlib.suppress(ImportError):  # the job's environment may have it
    orjson = importlib.import_module("orjson")

HEAD = struct.Struct("<I")


def dumps(value: Any) -> bytes:
    """Return a value as JSON."""
    if orjson is not None:
        return bytes(orjson.dumps(value))
    return json.dumps(value, allow_nan=False).encode()


def loads(data: bytes) -> Any:
    """Return the value of a JSON text."""
    return json.loads(data) if orjson is None else orjson.loads(data)


def main(number: int, folder: str) -> None:
    """Serve the package of a folder on a socket, given by its file descriptor, until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the front ends this process
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with (
        contextlib.suppress(OSError),  # the front has gone
        socket.socket(fileno=number) as opened,
        opened.makefile("rwb") as stream,
    ):
        try:
            answers, golden = _loaded(folder)
        except Exception as error:  # noqa: BLE001  the model's own code
            _send(stream, {"ready": False, "error": _what(error)})
            return
        gc.freeze()  # what is loaded stays: a collection does not look at it again
        _send(stream, {"ready": True, "golden": golden})
        while (request := _receive(stream)) is not None:
            began = time.perf_counter()
            try:
                if "metric" in request:
                    _send(stream, {"value": answers.measure(request)})
                    continue
                answer = answers.answer(request["columns"])
                answer["seconds"] = time.perf_counter() - began
            except Exception as error:  # noqa: BLE001  the notebook's own function
                answer = {"error": _what(error, quiet=request.get("quiet", False))}
            _send(stream, answer)


def _loaded(folder: str) -> tuple[Answers, dict[str, Any] | None]:
    """Load a package; return it with its answers to the golden requests."""
    with open(os.path.join(folder, "package.json"), encoding="utf-8") as file:
        signature = json.load(file)["signature"]
    with open(os.path.join(folder, "golden.json"), encoding="utf-8") as file:
        golden = json.load(file)["rows"]
    answers = Answers.of(folder, signature)
    columns = {c["name"]: [r.get(c["name"]) for r in golden] for c in signature["columns"]}
    return answers, answers.answer(columns) if golden else None


def _what(error: Exception, *, quiet: bool = False) -> str:
    """Return an error in one line; unless quiet, print its traceback."""
    if not quiet:
        sys.stderr.write("".join(traceback.format_exception(error)))
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:500]


def _send(stream: Any, message: dict[str, Any]) -> None:
    data = dumps(message)
    stream.write(HEAD.pack(len(data)) + data)
    stream.flush()


def _receive(stream: Any) -> dict[str, Any] | None:
    head = stream.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    (length,) = HEAD.unpack(head)
    data = stream.read(length)
    return loads(data) if len(data) == length else None
