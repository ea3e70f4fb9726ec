"""What a sweep is, told from events: progress, time left, the best point, places to run in."""

import pytest

from mlops_nb import events as ev
from mlops_nb.errors import Failed
from mlops_nb.runs import sweep_history
from mlops_nb.runs.history import Run


def started(**more):
    kept = {
        "sweep": "s",
        "notebook": "n.ipynb",
        "grid": {"depth": [1, 2, 3]},
        "workers": 2,
        "digest": "d",
    }
    return ev.SweepStarted(**{**kept, **more})


def point(run, depth, *, seconds=None, status="finished", shared=False, sweep="s"):
    """Return the events of one point; without seconds it goes on."""
    told = [
        ev.RunStarted(
            run=run,
            notebook="n.ipynb",
            parameters={"depth": depth, "seed": 7},
            sweep=sweep,
            shared=shared,
        )
    ]
    if seconds is not None:
        told.append(ev.RunFinished(run=run, status=status, seconds=seconds))
    return told


def fold(*groups):
    flat = [e for g in groups for e in (g if isinstance(g, list) else [g])]
    return sweep_history.Fold(flat).sweeps["s"]


def test_a_sweep_knows_its_points_and_what_goes_on():
    it = fold(
        started(),
        point("h", 1, seconds=9, shared=True),
        point("a", 2, seconds=4),
        point("b", 3),
        point("x", 1, sweep="other"),
    )
    assert [r.id for r in it.runs] == ["a", "b"]
    assert [r.id for r in it.helpers] == ["h"]
    assert [r.id for r in it.open] == ["b"]
    assert it.left == [0, 2]
    assert it.counted() == {"finished": 1, "failed": 0, "stopped": 0, "running": 1, "waiting": 1}


def test_time_left_is_the_points_left_by_the_median_by_the_workers():
    assert fold(started()).seconds_left() is None
    it = fold(started(), point("a", 1, seconds=4), point("b", 2, seconds=8, status="failed"))
    assert it.seconds_left() == 1 * 6 / 2
    it = fold(started(), *(point(str(n), n, seconds=n) for n in (1, 2, 3)))
    assert it.seconds_left() == 0


def test_what_did_not_finish_is_left_when_a_sweep_goes_on():
    before = (
        started(),
        point("a", 1, seconds=4),
        point("b", 2, seconds=1, status="stopped"),
        ev.SweepFinished(sweep="s", status="stopped", seconds=5),
    )
    it = fold(*before)
    assert (it.status, it.left) == ("stopped", [1, 2])
    it = fold(*before, started())
    assert (it.status, [r.id for r in it.runs]) == ("running", ["a"])
    it = fold(*before, started(), point("c", 2, seconds=1))
    assert [r.id for r in it.runs] == ["a", "c"]


def test_points_of_another_code_do_not_count_when_a_sweep_goes_on():
    it = fold(started(), point("a", 1, seconds=4), started(digest="other"))
    assert it.left == [0, 1, 2]


def rated(name, **metrics):
    return Run(id=name, status="finished", metrics=metrics)


def test_the_best_is_the_highest_or_the_lowest_where_that_is_asked_for():
    runs = [
        rated("a", auc=0.5, rmse=3.0),
        rated("b", auc=0.7, rmse=9.0),
        rated("c", rmse=1.0),
        rated("d", auc=float("nan")),
    ]
    runs.append(Run(id="e", status="failed", metrics={"auc": 1.0}))
    assert sweep_history.best(runs, "auc").id == "b"
    assert sweep_history.best(runs, "auc:max").id == "b"
    assert sweep_history.best(runs, "rmse:min").id == "c"
    assert sweep_history.best(runs, "") is None
    assert sweep_history.best([runs[-1]], "auc") is None


def test_a_metric_that_no_point_has_is_an_error_that_lists_those_there_are():
    with pytest.raises(Failed) as caught:
        sweep_history.best([rated("a", auc=0.5), rated("b", rmse=1.0)], "acc")
    assert caught.value.fix == "the metrics are auc, rmse"


def test_threads_are_shared_out_but_for_those_the_caller_set():
    (place, other) = sweep_history.places(2, 7, (), {"MKL_NUM_THREADS": "5"})
    assert place == other
    assert place["OMP_NUM_THREADS"] == place["LOKY_MAX_CPU_COUNT"] == "3"
    assert "MKL_NUM_THREADS" not in place
    assert sweep_history.GPUS not in place
    assert sweep_history.places(4, 2, (), {})[0]["OMP_NUM_THREADS"] == "1"


def test_each_worker_has_a_gpu_of_its_own_as_long_as_there_are_enough():
    found = sweep_history.places(3, 8, ("0", "GPU-7"), {})
    assert [place[sweep_history.GPUS] for place in found] == ["0", "GPU-7", "0"]
