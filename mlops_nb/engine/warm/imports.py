"""Imports the libraries of a notebook ahead of time, if that has no visible effect."""

import contextlib
import importlib
import importlib.util
import io
import os
import site
import sys
import sysconfig
import warnings
from collections.abc import Iterable

# modules that every kernel imports; none of them makes a ZeroMQ context
OWN = (
    "IPython.core.completer",
    "IPython.core.history",
    "IPython.core.magics",
    "IPython.core.logger",
    "ipykernel.compiler",
    "ipykernel.zmqshell",
    "ipykernel.ipkernel",
    "IPython.extensions.storemagic",
    "comm",
)


def places() -> tuple[str, ...]:
    """Return the folders of installed modules: the standard library and site-packages."""
    paths = sysconfig.get_paths()
    found = {paths[k] for k in ("stdlib", "platstdlib", "purelib", "platlib")}
    found |= {*site.getsitepackages(), site.getusersitepackages()}
    return tuple(os.path.realpath(p) + os.sep for p in found)


def is_installed(name: str) -> bool:
    """Return whether a top-level module is installed, and not a local file."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return False
    if spec is None:
        return False
    if spec.origin in {"built-in", "frozen"}:
        return True
    return spec.origin is not None and os.path.realpath(spec.origin).startswith(places())


def load(names: Iterable[str]) -> list[str]:
    """Import modules; return those whose import warned, printed or failed.

    For a name inside a module, the module is imported.
    """
    noisy = []
    known: dict[str, bool] = {}
    for name in names:
        root = name.partition(".")[0]
        if root not in known:
            known[root] = is_installed(root)
        if known[root] and not _quietly(name):
            noisy.append(name)
    return noisy


def editable() -> dict[str, int]:
    """Return the imported files that are not installed: path → mtime, ns.

    An installed package may import them, such as a plugin in development.
    """
    found = {}
    installed = places()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name == "__main__" or name.startswith("_mlops_") or not isinstance(file, str):
            continue
        path = os.path.realpath(file)
        if not path.startswith(installed):
            with contextlib.suppress(OSError):  # it has no file
                found[path] = os.stat(path).st_mtime_ns
    return found


def _quietly(name: str) -> bool:
    printed = io.StringIO()
    with (
        warnings.catch_warnings(record=True) as warned,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            return bool(error.name) and name.startswith(f"{error.name}") and _no_module(name)
        except BaseException:  # noqa: BLE001  the notebook's own import will raise it
            return False
    return not warned and not printed.getvalue()


def _no_module(name: str) -> bool:
    """Return whether a dotted name is an attribute of a module that is imported."""
    parent, _, last = name.rpartition(".")
    return not parent or parent in sys.modules or hasattr(sys.modules.get(parent), last)
