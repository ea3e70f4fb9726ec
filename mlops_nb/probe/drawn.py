"""What is drawn on figures of matplotlib: the properties of their artists, told without drawing.

Nothing is asked that matplotlib would work out on that occasion (limits, ticks, layouts), and what
drawing itself leaves behind in an artist is no property of it.
"""

import itertools
import marshal
import sys
import types
from collections.abc import Iterator
from typing import Any

from .fingerprint import quick
from .outside import lineage, module_of, name_of

DEEP = 4
SMALL = 4_096  # bytes of an array that are kept as they are
MOST_ITEMS = 2_000  # of a list that may be one of artists
SCALARS = frozenset({type(None), bool, int, float, complex, str, bytes})
# what drawing, or reading, leaves behind
LEFT = frozenset({
    "_A_mapped", "_axisinfo", "_button_pick_id", "_dpi_at_last_init", "_dpi_cor", "_edge_is_mapped",
    "_face_is_mapped", "_format", "_formatter", "_imcache", "_invalidx", "_invalidy", "_isinit",
    "_layout_cache", "_lut", "_mapped_colors", "_mouseover", "_mutation_scale", "_offset_zordered",
    "_path_effects_cache", "_remove_method", "_renderer", "_rgbacache", "_stale", "_stale_viewlims",
    "_sublabels", "_subslice", "_transforms", "_vzs", "_x", "_xy", "_y", "M", "invM", "locs",
    "offset", "offset_string", "orderOfMagnitude", "patchA", "patchB", "shrinkA", "shrinkB",
    "stale", "_x_filled", "_path_cached", "_locs", "majorTicks", "minorTicks", "_transformed_path",
    "_bbox_size", "axis", "_arrow_relpos", "_tick_position", "_view_u", "_view_v", "_view_w",
    "_facecolors2d", "_edgecolors2d", "_z_markers_idx", "_data_scale",
})  # fmt: skip
PLACES = frozenset({"_x", "_y"})  # of what is put where the notebook says, such as a text
MAPPED = frozenset({"_facecolors", "_edgecolors", "_facecolor", "_edgecolor"})
SOLID = frozenset({"_offsets", "_paths", "_frameon", "zorder", "_facecolors", "_edgecolors"})
# of frames, legends and boxes: they are laid out when they are drawn
LAID_OUT = frozenset({
    "_width", "_height", "width", "height", "center", "_center", "r", "theta1", "theta2", "_x0",
    "_y0", "_posA_posB", "_arrow_transmuter", "_path",
})  # fmt: skip
ARROWS = frozenset({"_paths", "scale", "width", "_trans_scale", "span"})
VALUES = ("matplotlib.path", "matplotlib.ticker", "matplotlib.dates", "matplotlib.colors",
          "matplotlib.font_manager", "matplotlib.markers", "matplotlib.scale",
          "matplotlib.patches", "matplotlib.gridspec", "matplotlib.colorizer")  # fmt: skip
FIGURE_PARTS = ("patch", "_suptitle", "_supxlabel", "_supylabel", "artists", "lines", "patches",
                "texts", "images", "legends", "subfigs", "_localaxes")  # fmt: skip
AXES_PARTS = ("_children", "child_axes", "xaxis", "yaxis", "zaxis")
LABELS = ("title", "_left_title", "_right_title", "legend_", "patch")
LEGEND_PARTS = ("texts", "legend_handles", "legendPatch")
TICKERS = ("_locator", "_formatter", "locator", "formatter")
_known: dict[type, frozenset[str]] = {}  # class → names of its bases and its own
LABEL_SIDES = (("label1", True), ("label2", False))


def drawing(value: Any, depth: int = 0) -> Any:
    """Return what is drawn on a figure, on axes, by an artist or by a list of them; else None."""
    artists: Any = sys.modules.get("matplotlib.artist")
    if depth > DEEP or not hasattr(artists, "Artist"):
        return None
    if issubclass(type(value), artists.Artist):
        return [id(value), marshal.dumps(artist(value), 2)]
    if not holds_artists(value):
        return None
    found: list[Any] = []
    for item in itertools.islice(_items(value), MOST_ITEMS):
        told = drawing(item, depth + 1)
        if told is None and item is not None and not _is_empty(item):
            return None
        found.append(told)
    return found


def holds_artists(value: Any) -> bool:
    """Say whether the first item of a container is an artist, or holds one."""
    artists: Any = sys.modules.get("matplotlib.artist")
    for _ in range(DEEP):
        first = next(_items(value), None)
        if first is None:
            break
        value = first
    return hasattr(artists, "Artist") and issubclass(type(value), artists.Artist)


def _items(value: Any) -> Iterator[Any]:
    """Return the items of a list, a tuple, a dict or an array of objects, without asking it."""
    kind: Any = type(value)
    if kind is list:
        return iter(value)
    if kind is dict:
        return iter(value.values())
    if issubclass(kind, tuple):
        return tuple.__iter__(value)
    numpy: Any = sys.modules.get("numpy")
    if kind is getattr(numpy, "ndarray", None) and value.dtype.kind == "O":
        return iter(value.flat)
    return iter(())


def _is_empty(value: Any) -> bool:
    return type(value) in (list, tuple, dict) and not value


def artist(value: Any, *, laid_out: bool = False) -> list[Any]:
    """Return the properties of an artist and of those that are part of it.

    laid_out: where it stands and how large it is shows only when it is drawn
    """
    kinds = _kinds(type(value))
    held = vars(value)
    skipped = LEFT | LAID_OUT if laid_out else LEFT - PLACES if "Text" in kinds else LEFT
    if module_of(type(value)).startswith("mpl_toolkits.mplot3d"):
        skipped |= SOLID
    if held.get("_A") is not None:
        skipped |= MAPPED
    if "Line2D" in kinds:
        skipped |= {"_path"}
    if "Quiver" in kinds:
        skipped |= ARROWS
    found: list[Any] = [type(value).__name__, _held(held, skipped, 0)]
    if "FigureBase" in kinds:
        found += [_parts(held, FIGURE_PARTS), *_figure(value, held)]
    elif "_AxesBase" in kinds:
        found += [_parts(held, AXES_PARTS), _parts(held, LABELS, laid_out=True), *_axes(held)]
    elif "Axis" in kinds:
        found += _axis(held)
    elif "Legend" in kinds:
        found += [_parts(held, LEGEND_PARTS, laid_out=True), value.get_title().get_text()]
    elif "Text" in kinds or "Table" in kinds:
        found.append(_parts(held, ("arrow_patch", "_bbox_patch", "_cells"), laid_out=True))
    return found


def _kinds(kind: type) -> frozenset[str]:
    if kind not in _known:
        _known[kind] = frozenset(name_of(owner) for owner in lineage(kind))
    return _known[kind]


def _parts(held: dict[str, Any], names: tuple[str, ...], *, laid_out: bool = False) -> list[Any]:
    """Return the artists behind some attributes."""
    artists: Any = sys.modules["matplotlib.artist"]
    found: list[Any] = []
    for name in names:
        part = held.get(name)
        if type(part) is dict:
            part = list(part.values())
        if part is None or issubclass(type(part), artists.Artist):
            found.append(None if part is None else artist(part, laid_out=laid_out))
        else:
            items = [p for p in part if issubclass(type(p), artists.Artist)]
            found.append([artist(p, laid_out=laid_out) for p in items])
    return found


def _figure(figure: Any, held: dict[str, Any]) -> list[Any]:
    pars = held.get("subplotpars")
    engine = held.get("_layout_engine")
    kept = [] if engine is not None or pars is None else sorted(vars(pars).items())
    return [list(map(float, getattr(figure, "_fig_size", None) or figure.bbox_inches.size)),
            type(engine).__name__, kept]  # fmt: skip


def _axes(held: dict[str, Any]) -> list[Any]:
    """Return limits where they were set, and place and frame of axes."""
    found: list[Any] = []
    for name, box, column in (("xaxis", "_viewLim", 0), ("yaxis", "_viewLim", 1),
                              ("zaxis", "zz_viewLim", 0)):  # fmt: skip
        axis = held.get(name)
        if axis is None or box not in held:
            continue
        low, high = (float(row[column]) for row in vars(held[box])["_points"])
        found.append([low > high] if vars(axis).get("_autoscale_on", True) else [low, high])
    figure = held.get("_parent_figure") or held.get("figure")
    if figure is not None and vars(figure).get("_layout_engine") is None:
        found.append(vars(held["_originalPosition"])["_points"].tolist())
    spines = held.get("spines")
    for name, spine in getattr(spines, "_dict", {}).items():
        found.append([name, artist(spine, laid_out=True), repr(vars(spine).get("_position"))])
    return found


def _axis(held: dict[str, Any]) -> list[Any]:
    """Return what sets the ticks of an axis, and its label; ticks are made when it is drawn."""
    found: list[Any] = [artist(held["label"], laid_out=True)]
    for ticker in (held.get("major"), held.get("minor")):
        parts = vars(ticker) if ticker is not None else {}
        found += [_plain(parts[name], 0) for name in TICKERS if name in parts]
    if type(held.get("axes")).__name__ in {"PolarAxes", "Axes3D"}:
        return found
    for name in ("majorTicks", "minorTicks"):
        keywords = held.get(f"_{name[:5]}_tick_kw") or {}
        styles = {_style(tick, keywords) for tick in held.get(name) or ()}
        found.append(sorted(styles - {()}, key=repr))
    return found


def _style(tick: Any, keywords: dict[str, Any]) -> tuple[Any, ...]:
    """Return how the labels of a tick differ from what its axis would have them be."""
    found: list[Any] = []
    params: Any = sys.modules["matplotlib"].rcParams
    for side, shown in LABEL_SIDES:
        label = vars(tick)[side]
        held = vars(label)
        axis = getattr(tick, "__name__", "xtick")
        colour = keywords.get("labelcolor", params[f"{axis}.labelcolor"])
        if colour == "inherit":
            colour = params[f"{axis}.color"]
        font = vars(held["_fontproperties"])
        size = keywords.get("labelsize", params[f"{axis}.labelsize"])
        usual = {
            "_rotation": tick._labelrotation[1],
            "_visible": keywords.get(f"{side}On", shown),
            "_color": keywords.get("color", colour) if "labelcolor" not in keywords else colour,
        }
        odd = [(k, repr(held.get(k))) for k, v in usual.items() if held.get(k) != v]
        if not isinstance(size, str) and font.get("_size") != size:
            odd.append(("size", repr(font.get("_size"))))
        if font.get("_weight") not in {"normal", 400, params["font.weight"]}:
            odd.append(("weight", repr(font.get("_weight"))))
        side_odd = held.get("_horizontalalignment") not in {"center", "left", "right"}
        found += [(side, *one) for one in odd] + ([side] if side_odd else [])
    return tuple(found)


def _held(held: dict[Any, Any], skipped: frozenset[str], depth: int) -> list[Any]:
    found = []
    for name, item in held.items():
        if item is not None and name not in skipped:
            told = _plain(item, depth)
            if told is not None:
                found.append((name if type(name) is str else repr(name), told))
    return found


def _plain(value: Any, depth: int) -> Any:  # noqa: PLR0911  one kind of value after the other
    """Return a property as what `marshal` takes: plain values, digests of arrays, or else None."""
    kind = type(value)
    if kind in SCALARS:
        return value
    if kind in (list, tuple):
        return [_plain(item, depth + 1) for item in value] if depth < DEEP else len(value)
    if kind is dict:
        return _held(value, LEFT, depth + 1) if depth < DEEP else len(value)
    if kind is types.FunctionType:
        return id(value) if depth else None
    module = module_of(kind)
    if module.partition(".")[0] in {"numpy", "pandas", "datetime"}:
        if hasattr(value, "tobytes") and value.dtype.kind in "biuf" and value.nbytes < SMALL:
            return [value.dtype.str, value.shape, value.tobytes()]
        return quick(value)
    if module.startswith(VALUES) and depth < DEEP:
        artists: Any = sys.modules["matplotlib.artist"]
        if not issubclass(kind, artists.Artist):
            return [kind.__name__, _held(getattr(value, "__dict__", {}), LEFT, depth + 1)]
    return None
