"""The state that cells share without a name: random generators, environment, options, figures.

`state()` is what it is now; whatever differs between two states was changed in between. The words
that give a reader of a channel away are in `ASKS`.
"""

import contextlib
import ctypes
import os
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..syntax.names import ARITHMETIC

# channel → attributes and names whose mention in code means that the channel is read
ASKS: dict[str, frozenset[str]] = {
    "figures": frozenset({"get_fignums", "fignum_exists", "get_figlabels"}),
    "cwd": frozenset(
        {"%pwd", "getcwd", "getcwdb", "curdir", "cwd", "abspath", "resolve", "realpath"}
    ),
    "dirs": frozenset({"%pushd", "%popd", "%dirs"}),
    "warnings": frozenset({"filters", "resetwarnings", "catch_warnings", "warn"}),
    "sys.path": frozenset({"path_hooks", "find_spec"}),
    "sys.limits": frozenset({"getrecursionlimit", "getswitchinterval"}),
    "pandas.options": frozenset({"get_option", "options", "option_context", "describe_option"}),
    "pandas.limits": frozenset({"get_option", "options", "option_context", "describe_option"}),
    "numpy.err": frozenset({"geterr", "errstate"}),
    "numpy.print": frozenset(
        {"get_printoptions", "printoptions", "array2string", "array_str", "array_repr"}
    ),
    "decimal": frozenset({"getcontext", "localcontext", "Decimal"}),
    "locale": frozenset({"getlocale", "localeconv", "strcoll", "currency", "format_string"}),
}
LIMITS = {"max_rows": 0, "min_rows": 0, "max_columns": 1}  # option of pandas → axis of a table
FORMATTERS = frozenset({"for_type", "for_type_by_name"})  # set how IPython writes out a class
# channel → what sets it, where the module that holds it was loaded by the same cell
SETS: dict[str, frozenset[str]] = {
    "pandas.options": frozenset({"set_option", "reset_option", "options"}),
    "pandas.limits": frozenset({"set_option", "reset_option", "options"}),
    "matplotlib": frozenset(
        {
            "use",
            "rc",
            "rcParams",
            "style",
            "set_theme",
            "set_style",
            "set_context",
            "set_palette",
            "set",
        }
    ),
    "dirs": frozenset({"%pushd"}),
    "numpy.err": frozenset({"seterr"}),
    "numpy.print": frozenset({"set_printoptions"}),
    "decimal": frozenset({"getcontext", "setcontext"}),
    "locale": frozenset({"setlocale"}),
}
# options of matplotlib that it sets by itself, as soon as something is to be shown
BY_ITSELF = frozenset({"backend", "backend_fallback", "interactive", "toolbar"})
BY_DEFAULT = (["png"], "{'bbox_inches': 'tight'}", True)  # how figures are put into notebooks
# what neither draws nor asks how to
NEUTRAL = frozenset({"close", "ioff", "ion", "isinteractive", "get_fignums", "fignum_exists"})
LOOKS = NEUTRAL | {"show", "savefig", "rcParams", "rc", "style", "get_cmap", "cm", "colormaps"}
DRAWING = frozenset({"matplotlib", "seaborn", "plotnine", "mpl_toolkits"})
DRAWS = frozenset(
    {
        "plot",
        "hist",
        "boxplot",
        "scatter",
        "barplot",
        "histplot",
        "heatmap",
        "lineplot",
        "scatterplot",
        "countplot",
        "imshow",
        "subplots",
        "pairplot",
        "displot",
        "kdeplot",
    }
)
PARAMETERS = frozenset({"rcParams", "rc", "style", "get_cmap", "cm", "colormaps"})
BEGINS = frozenset({"figure", "subplots", "subplot_mosaic", "close"})  # a figure of its own
SEEDS = frozenset(
    {
        "seed",
        "manual_seed",
        "set_state",
        "setstate",
        "set_rng_state",
        "set_seed",
        "seed_everything",
        "set_random_seed",
        "manual_seed_all",
    }
)
# what numpy may find an error in, beside operators and its own `ufunc`s
COMPUTES = frozenset({"mean", "std", "var", "sum", "prod", "cumsum", "cumprod", "dot", "linalg"})
STATES = frozenset({"get_state", "getstate", "get_rng_state"})


def _random() -> Any:
    module = sys.modules.get("random")
    return hash(module.getstate()) if module is not None else None


MT19937_BYTES = 625 * 4  # its 624 words and its place in them, 32 bits each
UNTOUCHED = {623, 624}  # where MT19937 stands in its words when it is new, and when it was set


_known: dict[str, tuple[bytes, Any]] = {}  # of numpy's generator: its memory, and what that meant


def _numpy_random() -> Any:
    """Return the state of numpy's global generator.

    To ask for it takes long, as its words are copied one by one. What they are in memory says
    whether it moved, but for a normal number that is held back, which is gone without a move.
    """
    module = sys.modules.get("numpy.random")
    if module is None or not hasattr(module, "get_state"):
        return None
    memory = _numpy_memory(module)
    seen, told = _known.get("numpy", (b"", None))
    if memory and memory == seen and not told[2]:
        return told
    state = module.get_state(legacy=False)
    inner = state["state"]
    told = (inner["key"].tobytes(), inner["pos"], state["has_gauss"], state["gauss"])
    _known["numpy"] = memory, told
    return told


def _numpy_memory(module: Any) -> bytes:
    """Return the words and the place of the MT19937 generator, b"" where there is none to see."""
    shared = getattr(getattr(module, "mtrand", None), "_rand", None)
    generator: Any = getattr(shared, "_bit_generator", None)
    if type(generator).__name__ != "MT19937":
        return b""
    return ctypes.string_at(generator.ctypes.state_address, MT19937_BYTES)


def forget() -> None:
    """Ask anew what generators stand at: somebody may have set them."""
    _known.clear()


def _torch() -> Any:
    module = sys.modules.get("torch")
    if module is None or not hasattr(module, "get_rng_state"):
        return None
    return bytes(module.get_rng_state().numpy().tobytes())


def _warnings() -> Any:
    module = sys.modules.get("warnings")
    return (len(module.filters), hash(tuple(map(str, module.filters[:5])))) if module else None


def _matplotlib() -> Any:
    module = sys.modules.get("matplotlib")
    params = getattr(module, "rcParams", None)
    if params is None:
        return None
    values = [value for name, value in dict.items(params) if name not in BY_ITSELF]
    return (*values, _figure_format())


def _figure_format() -> Any:
    """Return how figures are put into a notebook, None where nobody has set that."""
    module = sys.modules.get("matplotlib_inline.config")
    backend = getattr(module, "InlineBackend", None)
    if backend is not None and backend.initialized():
        one = backend.instance()
        told = (sorted(one.figure_formats), repr(one.print_figure_kwargs), one.close_figures)
        return None if told == BY_DEFAULT else told
    asked = getattr(_shell(), "config", {}).get("InlineBackend", {})  # by the time it begins
    formats = asked.get("figure_formats", asked.get("figure_format", "png"))
    kwargs = repr({"bbox_inches": "tight", **asked.get("print_figure_kwargs", {})})
    told = (sorted({formats} if isinstance(formats, str) else formats), kwargs, True)
    return None if told == BY_DEFAULT else told


def _figures() -> Any:
    """Return the open figures: (number, figure, count of artists, current axes)."""
    module = sys.modules.get("matplotlib._pylab_helpers")
    if module is None or not hasattr(module, "Gcf"):
        return None
    found = []
    for number, manager in module.Gcf.figs.items():
        figure = manager.canvas.figure
        count = sum(len(getattr(axes, "_children", ())) for axes in figure.axes)
        current = getattr(getattr(figure, "_axstack", None), "current", lambda: None)()
        found.append((number, id(figure), count, id(current)))
    return tuple(found)


def _pandas_options() -> Any:
    """Return the options of pandas as they are, but for limits of what is shown."""
    held = getattr(sys.modules.get("pandas._config.config"), "_global_config", None)
    if type(held) is not dict:
        return None
    shown = {n: v for n, v in held.get("display", {}).items() if n not in LIMITS}
    return repr({**held, "display": shown})


def pandas_limits() -> tuple[Any, ...] | None:
    """Return how many rows and columns of a table pandas shows: the values of LIMITS."""
    held = getattr(sys.modules.get("pandas._config.config"), "_global_config", None)
    return tuple(map(held.get("display", {}).get, LIMITS)) if type(held) is dict else None


def _numpy_err() -> Any:
    module = sys.modules.get("numpy")
    return tuple(module.geterr().values()) if hasattr(module, "geterr") else None  # type: ignore[union-attr]


def _numpy_print() -> Any:
    module = sys.modules.get("numpy")
    ask = getattr(module, "get_printoptions", None)
    return repr(ask()) if ask is not None else None


def _sklearn() -> Any:
    module = sys.modules.get("sklearn")
    ask = getattr(module, "get_config", None)
    return tuple(map(str, ask().items())) if ask is not None else None


def _decimal() -> Any:
    module = sys.modules.get("decimal")
    if module is None or not hasattr(module, "getcontext"):
        return None
    context = module.getcontext()
    return (context.prec, context.rounding)


def _locale() -> Any:
    module = sys.modules.get("locale")
    return module.setlocale(module.LC_ALL) if hasattr(module, "setlocale") else None  # type: ignore[union-attr]


def _shell() -> Any:
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None


def _dirs() -> Any:
    """Return the folders that `%popd` would go back to."""
    return tuple(getattr(_shell(), "dir_stack", ())) or None


def precision() -> Any:
    """Return how many digits of floats are shown."""
    formatters = getattr(getattr(_shell(), "display_formatter", None), "formatters", {})
    return getattr(formatters.get("text/plain"), "float_format", None)


def printers() -> dict[Any, Any]:
    """Return the notebook's own functions that write out values: by formatter and class."""
    formatters = getattr(getattr(_shell(), "display_formatter", None), "formatters", {})
    return {
        (mime, kind): function
        for mime, formatter in formatters.items()
        for known in (formatter.type_printers, formatter.deferred_printers)
        for kind, function in known.items()
        if type(function) is types.FunctionType and function.__module__ == "__main__"
    }


def has_decimals(value: Any) -> bool:
    """Say whether a value is a `Decimal`, or a container that begins with one."""
    if type(value) in (list, tuple, set):
        value = next(iter(value), None)
    return type(value).__module__ == "decimal"


def computes(attrs: Iterable[str]) -> bool:
    """Say whether code may have numpy find an error of arithmetic."""
    module = sys.modules.get("numpy")
    known = vars(module) if module is not None else {}
    kind = known.get("ufunc")
    return any(a == ARITHMETIC or a in COMPUTES or type(known.get(a)) is kind for a in attrs)


SENSES: dict[str, Callable[[], Any]] = {
    "rng:random": _random,
    "rng:numpy": _numpy_random,
    "rng:torch": _torch,
    "cwd": os.getcwd,
    "dirs": _dirs,
    "sys.path": lambda: tuple(sys.path),
    "sys.limits": lambda: (sys.getrecursionlimit(), sys.getswitchinterval()),
    "display.precision": precision,
    "display.interactivity": lambda: getattr(_shell(), "ast_node_interactivity", None),
    "warnings": _warnings,
    "matplotlib": _matplotlib,
    "pandas.options": _pandas_options,
    "pandas.limits": pandas_limits,
    "numpy.err": _numpy_err,
    "numpy.print": _numpy_print,
    "sklearn.config": _sklearn,
    "decimal": _decimal,
    "locale": _locale,
    "figures": _figures,
}


def again(before: Mapping[str, Any]) -> dict[str, Any]:
    """Return an earlier state with what may change between cells as it is now: generators."""
    now = dict(before)
    for channel in ("rng:random", "rng:numpy", "rng:torch"):
        with contextlib.suppress(Exception):  # a module half loaded, or patched
            now[channel] = SENSES[channel]()
    return now


def state() -> dict[str, Any]:
    """Return the present state of every channel whose module is loaded."""
    found: dict[str, Any] = {}
    for name, sense in SENSES.items():
        with contextlib.suppress(Exception):  # a module half loaded, a folder that is gone
            found[name] = sense()
    found["env"] = dict(getattr(os.environ, "_data", os.environ))  # encoded, as it is kept
    return found


def changed(before: Mapping[str, Any], after: Mapping[str, Any], words: Iterable[str]) -> set[str]:
    """Return the channels that differ; one whose module was just loaded only if it was set, too.

    words: attributes and names that the code in between mentions
    """
    found: set[str] = set()
    mentioned = set(words)
    for name, now in after.items():
        if name == "env":
            continue
        was = before.get(name)
        if was is None and now is not None:
            sets = SEEDS if name.startswith("rng:") else SETS.get(name, frozenset())
            drawn = name == "rng:numpy" and (now[1] not in UNTOUCHED or now[2])
            if mentioned & sets or drawn or (name == "figures" and now):
                found.add(name)
        elif was != now:
            found.add(name)
    old, new = before["env"], after["env"]
    if old != new:
        found |= {f"env:{_text(k)}" for k in old.keys() | new.keys() if old.get(k) != new.get(k)}
    return found


def _text(name: Any) -> str:
    return os.fsdecode(name) if isinstance(name, bytes) else str(name)
