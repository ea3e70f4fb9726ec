"""Artists are found in the containers that pyplot gives, and nothing else is taken for one."""

import pytest

from mlops_nb.probe.observe.figures import holds_artists

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
np = pytest.importorskip("numpy")
plt = pytest.importorskip("matplotlib.pyplot")


def test_artists_are_found_in_lists_dicts_tuples_and_arrays():
    figure, axes = plt.subplots(2)
    box = axes[0].boxplot([[1, 2, 3]])
    bars = axes[0].bar([1], [2])
    for value in (figure, axes, list(axes), tuple(axes), box, bars, axes[0].xaxis):
        assert holds_artists(value)
    plt.close("all")


def test_other_values_are_no_artists():
    circle = np.empty(1, object)
    circle[0] = circle
    for value in ([], {}, [1], "a", None, np.eye(2), [[]], circle):
        assert not holds_artists(value)
