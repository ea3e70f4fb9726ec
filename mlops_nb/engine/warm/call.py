"""Calls one function in a forked child, in the background."""

import importlib
import sys
from typing import Any


def run(request: dict[str, Any], _: list[int]) -> None:
    """Call a function by its module and name."""
    if request["path"] not in sys.path:
        sys.path.append(request["path"])
    module = importlib.import_module(request["module"])
    getattr(module, request["function"])(*request["arguments"])
