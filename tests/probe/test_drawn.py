"""What is drawn on a figure is told: whatever is set, and nothing that drawing leaves behind."""

import datetime
import io

import pytest

from mlops_nb.probe import drawn
from mlops_nb.probe.aliases import shares

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
np = pytest.importorskip("numpy")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def lines():
    fig, ax = plt.subplots()
    ax.plot([1, 2, 3], label="a")
    ax.legend()
    ax.annotate("x", (1, 1), (0, 0), arrowprops={})
    return fig


def scatter():
    fig, ax = plt.subplots()
    fig.colorbar(ax.scatter([1, 2], [3, 4], c=[1, 2]))
    return fig


def bars():
    fig, ax = plt.subplots()
    ax.bar([1, 2], [3, 4])
    ax.hist(np.arange(20))
    ax.boxplot([[1, 2, 3]])
    ax.fill_between([1, 2], [1, 2])
    return fig


def image():
    fig, ax = plt.subplots()
    ax.imshow(np.eye(3))
    ax.text(0, 0, "q", bbox={})
    return fig


def pie():
    fig, ax = plt.subplots()
    ax.pie([1, 2])
    return fig


def many():
    fig, axs = plt.subplots(2, 2, layout="constrained")
    axs[0, 0].contourf(np.eye(4))
    axs[0, 1].pcolormesh(np.eye(3))
    axs[1, 0].errorbar([1, 2], [1, 2], [0.1, 0.2])
    axs[1, 1].semilogy([1, 10])
    return fig


def solid():
    fig = plt.figure()
    ax = fig.add_subplot(projection="3d")
    ax.plot_surface(*np.meshgrid([1, 2], [1, 2]), np.eye(2))
    ax.scatter([1], [2], [3])
    return fig


def polar():
    fig = plt.figure()
    fig.add_subplot(projection="polar").plot([1, 2])
    return fig


def table():
    fig, ax = plt.subplots()
    ax.table([["a", "b"]])
    ax.twinx().plot([4, 5])
    ax.quiver([1], [1], [1], [1])
    fig.suptitle("s")
    fig.tight_layout()
    return fig


def dates():
    fig, ax = plt.subplots()
    ax.plot([datetime.date(2020, 1, 1), datetime.date(2020, 2, 1)], [1, 2])
    fig.autofmt_xdate()
    return fig


def names():
    fig, ax = plt.subplots()
    ax.plot(["a", "b"], [1, 2])
    return fig


KINDS = [lines, scatter, bars, image, pie, many, solid, polar, table, dates, names]
CHANGES = {
    "title": lambda ax: ax.set_title("t"),
    "title's size": lambda ax: ax.title.set_fontsize(30),
    "label": lambda ax: ax.set_xlabel("t"),
    "limits": lambda ax: ax.set_xlim(0, 9),
    "margins": lambda ax: ax.margins(0.3),
    "ticks": lambda ax: ax.set_xticks([0, 1]),
    "tick labels": lambda ax: ax.set_xticks([0, 1], ["a", "b"]),
    "tick style": lambda ax: ax.tick_params(axis="x", rotation=30),
    "minor ticks": lambda ax: ax.minorticks_on(),
    "tick colour": lambda ax: ax.get_yticklabels()[0].set_color("red"),
    "tick hidden": lambda ax: plt.setp(ax.get_xticklabels(), visible=False),
    "grid": lambda ax: ax.grid(visible=True),
    "face": lambda ax: ax.set_facecolor("red"),
    "off": lambda ax: ax.axis("off"),
    "aspect": lambda ax: ax.set_aspect("equal"),
    "scale": lambda ax: ax.set_yscale("log"),
    "inverted": lambda ax: ax.invert_xaxis(),
    "position": lambda ax: ax.set_position([0.2, 0.2, 0.5, 0.5]),
    "spine": lambda ax: ax.spines["top"].set_visible(False),
    "width of a line": lambda ax: ax.lines[0].set_linewidth(9),
    "colour of a line": lambda ax: ax.lines[0].set_color("red"),
    "data of a line": lambda ax: ax.lines[0].set_ydata([3, 2, 1]),
    "marker of a line": lambda ax: ax.lines[0].set_marker("o"),
    "order of a line": lambda ax: ax.lines[0].set_zorder(9),
    "line less": lambda ax: ax.lines[0].remove(),
    "text": lambda ax: ax.texts[0].set_text("z"),
    "place of a text": lambda ax: ax.texts[0].set_position((2, 2)),
    "legend": lambda ax: ax.get_legend().get_texts()[0].set_text("z"),
    "legend's title": lambda ax: ax.get_legend().set_title("z"),
    "legend gone": lambda ax: ax.get_legend().remove(),
    "size": lambda ax: ax.figure.set_size_inches(2, 2),
    "resolution": lambda ax: ax.figure.set_dpi(33),
    "title above": lambda ax: ax.figure.suptitle("s"),
    "colour behind": lambda ax: ax.figure.set_facecolor("red"),
    "room between": lambda ax: ax.figure.subplots_adjust(left=0.3),
    "axes more": lambda ax: ax.figure.add_axes([0, 0, 0.1, 0.1]),
    "text of a figure": lambda ax: ax.figure.text(0, 0, "t"),
}


@pytest.mark.parametrize("make", KINDS, ids=lambda f: f.__name__)
def test_drawing_a_figure_changes_nothing_of_what_is_told(make):
    fig = make()
    before = drawn.drawing(fig)
    assert before is not None
    fig.canvas.draw()
    assert drawn.drawing(fig) == before
    fig.savefig(io.BytesIO(), dpi=30, bbox_inches="tight")
    fig.axes[0].get_xlim(), fig.axes[0].get_xticklabels()
    assert drawn.drawing(fig) == before


@pytest.mark.parametrize("make", KINDS, ids=lambda f: f.__name__)
def test_telling_has_no_effect_on_what_is_drawn(make):
    def picture(fig):
        out = io.BytesIO()
        fig.savefig(out, format="raw", dpi=40)
        return out.getvalue()

    watched, plain = make(), make()
    assert drawn.drawing(watched) is not None
    for fig in (watched, plain):
        fig.axes[0].set_autoscale_on(False)
    assert drawn.drawing(watched) is not None
    assert picture(watched) == picture(plain)


@pytest.mark.parametrize("drawn_before", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_whatever_is_set_is_told(change, drawn_before):
    fig = lines()
    if drawn_before:
        fig.canvas.draw()
    before = drawn.drawing(fig)
    CHANGES[change](fig.axes[0])
    assert drawn.drawing(fig) != before


def test_colours_by_value_and_pictures_are_told():
    fig, axs = plt.subplots(2)
    points, picture = axs[0].scatter([1, 2], [3, 4], c=[1, 2]), axs[1].imshow(np.eye(2))
    for change in (lambda: points.set_array([5, 6]), lambda: points.set_clim(0, 9),
                   lambda: points.set_offsets([[0, 0], [1, 1]]), lambda: picture.set_cmap("gray"),
                   lambda: picture.set_data(np.ones((2, 2)))):  # fmt: skip
        before = drawn.drawing(fig)
        change()
        assert drawn.drawing(fig) != before


def test_lists_and_parts_of_artists_are_told_and_other_values_are_not():
    _, axs = plt.subplots(2)
    box = axs[0].boxplot([[1, 2, 3]])
    for value in (axs, list(axs), box, axs[0].bar([1], [2]), axs[0].xaxis):
        assert drawn.drawing(value) is not None
    circle = np.empty(1, object)
    circle[0] = circle
    for value in ([], {}, [1], "a", None, np.eye(2), [[]], circle, [axs[0], 1]):
        assert drawn.drawing(value) is None


def test_a_chain_of_bases_ends():
    class Base:
        @property
        def base(self):
            return Base()

    Base.__module__ = "numpy"
    for value in (np.dtype("f8"), [np.dtype("i4")], np.dtype([("a", "i4")]), Base()):
        assert shares(value) is not None
    array = np.arange(4)
    assert shares(array) & shares(array[:2])
    assert not shares(np.dtype("f8"))
