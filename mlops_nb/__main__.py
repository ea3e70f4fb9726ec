"""The program `mlops-nb`, which is `python -m mlops_nb` as well."""

import atexit
import contextlib
import gc
import os
import sys
import threading


def program() -> None:
    """Run one verb and end with its exit status, without taking everything apart first.

    Most verbs are a matter of tenths of a second, and a tenth goes into looking for garbage among
    what is imported and into freeing at the end what the end frees anyhow.
    """
    gc.set_threshold(50_000, 20, 50)
    sys.setswitchinterval(0.0005)  # s; who runs the cells waits for who writes the journal
    from mlops_nb.cli import main

    try:
        main()
    except SystemExit as ended:
        if type(ended.code) is not int or threading.active_count() > 1:
            raise  # Python has a text to print, or other threads to wait for
        atexit._run_exitfuncs()  # noqa: SLF001  what Python itself calls here
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(BrokenPipeError):  # the reading end is closed
                stream.flush()
        os._exit(ended.code)


if __name__ == "__main__":
    program()
