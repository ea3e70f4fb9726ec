"""Finds the state that cells share without a name: generators, environment, options, figures.

`state()` returns what it is now; each channel that differs between two states was changed in
between. A channel that was changed is read by each cell that uses its package.
"""

import contextlib
import os
import re
import sys
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from ..introspect import is_code, top_of, words


class Setting(NamedTuple):
    """A setting of a library.

    module:   the module that holds it
    path:     attributes looked up on it, in turn; `()` calls one
    packages: packages whose users read it, "" for any cell
    is_shown: only cells that show or format values read it
    axis:     only values that are larger than the setting along this axis are shown another way
    default:  the setting by default, for an axis
    """

    module: str
    path: str
    packages: frozenset[str]
    is_shown: bool = False
    axis: int | None = None
    default: int = 0


DRAWING = words("matplotlib seaborn plotnine mpl_toolkits")
# methods of frames and arrays that draw
DRAWS = words(
    """
    plot hist boxplot scatter barplot histplot heatmap lineplot scatterplot countplot imshow
    subplots pairplot displot kdeplot
    """
)
PANDAS = "pandas._config.config"
SETTINGS = {
    "sys.path": Setting("sys", "path", frozenset()),
    "display.interactivity": Setting(
        "IPython", "get_ipython().ast_node_interactivity", frozenset({""}), is_shown=True
    ),
    "warnings": Setting("warnings", "filters", words("warnings")),
    "matplotlib": Setting("matplotlib", "rcParams", DRAWING | DRAWS),
    "pandas.options": Setting(PANDAS, "_global_config", words("pandas"), is_shown=True),
    "pandas.rows": Setting(
        PANDAS,
        "_global_config.display.max_rows",
        words("pandas"),
        is_shown=True,
        axis=0,
        default=60,
    ),
    "pandas.columns": Setting(
        PANDAS,
        "_global_config.display.max_columns",
        words("pandas"),
        is_shown=True,
        axis=1,
        default=20,
    ),
    "numpy.err": Setting("numpy", "geterr()", words("numpy")),
    "numpy.print": Setting("numpy", "get_printoptions()", words("numpy"), is_shown=True),
    "sklearn.config": Setting("sklearn", "get_config()", words("sklearn")),
    "decimal": Setting("decimal", "getcontext()", words("decimal")),
    "locale": Setting("locale", "localeconv()", words("locale")),
}
OF_SIZES = words("max_rows max_columns")  # channels of their own
# options of matplotlib that it sets by itself, as soon as something is to be shown
BY_ITSELF = words("backend backend_fallback interactive toolbar")
SETS = re.compile(r"(?:re)?set|use|rc|style|option|.*seed")  # begins names of what sets a channel
SEEDS = words(
    """
    seed manual_seed set_state setstate set_rng_state set_seed seed_everything set_random_seed
    manual_seed_all
    """
)
STATES = words("get_state getstate get_rng_state")
UNTOUCHED = {623, 624}  # where MT19937 stands in its words when it is new, and when it was set


def _random() -> Any:
    return hash(sys.modules["random"].getstate())


def _numpy_random() -> Any:
    state = sys.modules["numpy.random"].get_state(legacy=False)
    inner = state["state"]
    return inner["key"].tobytes(), inner["pos"], state["has_gauss"], state["gauss"]


def _torch() -> Any:
    return sys.modules["torch"].get_rng_state().numpy().tobytes()


def _figures() -> Any:
    """Return the open figures: (number, figure, count of artists, current axes)."""
    found = []
    for number, manager in sys.modules["matplotlib._pylab_helpers"].Gcf.figs.items():
        figure = manager.canvas.figure
        count = sum(len(axes._children) for axes in figure.axes)
        found.append((number, id(figure), count, id(figure._axstack.current())))
    return tuple(found)


def _environment() -> Any:
    return dict(getattr(os.environ, "_data", os.environ))  # encoded, as it is kept


GENERATORS: dict[str, Callable[[], Any]] = {
    "rng:random": _random,
    "rng:numpy": _numpy_random,
    "rng:torch": _torch,
}
SENSES: dict[str, Callable[[], Any]] = {
    **GENERATORS,
    "cwd": os.getcwd,
    "figures": _figures,
    "env": _environment,
}


def _value(setting: Setting) -> Any:
    """Return the value of a setting, such that it can be compared later."""
    value: Any = sys.modules[setting.module]
    for part in setting.path.split("."):
        name = part.removesuffix("()")
        value = value[name] if isinstance(value, dict) else getattr(value, name)
        value = value() if name != part else value
    if isinstance(value, dict) and type(value) is not dict:  # of matplotlib: its own lookup warns
        return {name: one for name, one in dict.items(value) if name not in BY_ITSELF}
    if setting.module == PANDAS and type(value) is dict:
        display = {n: one for n, one in value["display"].items() if n not in OF_SIZES}
        return repr({**value, "display": display})
    return repr(value)


def state(known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the present state of every channel whose module is loaded.

    known: an earlier state, of which only what may change between cells is asked for anew
    """
    found: dict[str, Any] = dict(known or {})
    for name, sense in (SENSES if known is None else GENERATORS).items():
        with contextlib.suppress(Exception):  # not loaded, half loaded, patched
            found[name] = sense()
    for name, setting in SETTINGS.items() if known is None else ():
        with contextlib.suppress(Exception):
            found[name] = _value(setting)
    return found


def changed(
    before: Mapping[str, Any], after: Mapping[str, Any], set_in: AbstractSet[str]
) -> set[str]:
    """Return the channels that differ; one whose module was just loaded only if it was set, too.

    set_in: packages in which the code in between may have set something
    """
    found: set[str] = set()
    for name in after.keys() - {"env"}:
        now = after[name]
        if name in before:
            is_changed = before[name] != now
        elif name in SETTINGS:
            is_changed = not SETTINGS[name].packages.isdisjoint(set_in)
        elif name == "figures":
            is_changed = bool(now)
        else:
            drawn = name == "rng:numpy" and (now[1] not in UNTOUCHED or bool(now[2]))
            is_changed = drawn or name[4:] in set_in
        found |= {name} if is_changed else set()
    old, new = before.get("env", {}), after.get("env", {})
    if old != new:
        found |= {f"env:{_text(k)}" for k in old.keys() | new.keys() if old.get(k) != new.get(k)}
    return found


def exceeds(value: Any, setting: Setting, ever: AbstractSet[str]) -> bool:
    """Say whether a value is larger than a setting allows, now, earlier or by default.

    ever: what the setting has been, as text
    """
    if setting.axis is None:
        return True
    if top_of(value) not in setting.packages or is_code(value):
        return False
    shape = getattr(value, "shape", None)
    if type(shape) is not tuple:
        return True  # a group, say
    sizes = max(shape, default=0), *shape[1:]  # `df.sum()` shows a row for each column
    limits = [int(one) for one in ever if one.isdigit() and one != "0"]
    return any(size > min([setting.default, *limits]) for size in sizes[setting.axis :][:1])


def _text(name: Any) -> str:
    return os.fsdecode(name) if isinstance(name, bytes) else str(name)
