"""Runs ipykernel in a forked child, as `python -m ipykernel_launcher` would."""

import os
import sys
from typing import Any


def run(request: dict[str, Any], _: list[int]) -> None:
    """Run a kernel in this process until it is shut down."""
    from ipykernel.kernelapp import IPKernelApp

    sys.argv = ["ipykernel_launcher.py", *request["arguments"]]
    os.environ.pop("JPY_PARENT_PID", None)  # the client is not the parent of this process
    app = IPKernelApp.instance(parent_handle=os.getppid())
    app.initialize(request["arguments"])
    app.start()
