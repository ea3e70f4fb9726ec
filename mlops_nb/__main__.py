"""The program `mlops-nb`, also started by `python -m mlops_nb`."""

import atexit
import codecs
import contextlib
import gc
import io
import os
import sys
import threading


def _use_utf_8() -> None:
    """Start again in Python's UTF-8 mode if paths and output could only be ASCII.

    The notebook's processes inherit the mode. Otherwise, characters that the output cannot encode
    are escaped.
    """
    encoding = codecs.lookup(sys.getfilesystemencoding()).name
    if encoding == "ascii" and not sys.flags.utf8_mode and hasattr(os, "execve"):
        words = [sys.executable, "-X", "utf8", *sys.orig_argv[1:]]
        os.execve(sys.executable, words, {**os.environ, "PYTHONUTF8": "1"})  # noqa: S606  itself
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def program() -> None:
    """Run one verb and exit with its status, without the interpreter's clean-up.

    Most verbs take tenths of a second. Without this, garbage collection during imports and the
    release of memory at the exit would add a tenth.
    """
    _use_utf_8()
    gc.set_threshold(50_000, 20, 50)
    sys.setswitchinterval(
        0.0005
    )  # s; the thread that runs cells waits for the one that writes the journal
    # jsonschema imports it if it can, and its import builds the parsers of IRIs, for a second;
    # the schemas of notebooks and jobs have no IRIs
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    from mlops_nb.cli import main

    try:
        main()
    except SystemExit as ended:
        if type(ended.code) is not int or threading.active_count() > 1:
            raise  # Python has a text to print, or other threads to wait for
        atexit._run_exitfuncs()  # noqa: SLF001  Python calls it at a normal exit
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(BrokenPipeError):  # the reader of the pipe has exited
                stream.flush()
        os._exit(ended.code)


if __name__ == "__main__":
    program()
