"""The watch on synthetic streams: what it decides, and that it cannot see the future."""

import pytest

from mlops_nb.demo import streams
from mlops_nb.demo.streams import CHANGE, DAYS, LAG, STREAMS, course

SEEDS = range(3)


@pytest.mark.parametrize("name", ["sudden", "gradual", "recurring"])
def test_a_change_is_found_after_it_and_a_model_is_trained(name):
    for seed in SEEDS:
        found = course(STREAMS[name], seed)
        assert found.early == 0
        assert found.alarm is not None
        assert found.alarm >= LAG
        assert found.mend == "retrain"
        assert found.mended > found.alarm


def test_a_shift_that_does_no_harm_is_met_with_silence():
    for seed in SEEDS:
        assert course(STREAMS["harmless"], seed) == streams.Course()


def test_labels_that_stop_cannot_hide_a_change():
    for seed in SEEDS:
        found = course(STREAMS["unlabelled"], seed)
        assert found.alarm is None
        assert found.labels is not None


def test_a_bad_release_is_rolled_back_and_not_trained_over():
    for seed in SEEDS:
        assert course(STREAMS["bad release"], seed).mend == "roll back"


@pytest.mark.parametrize("name", STREAMS)
def test_with_the_future_cut_off_every_earlier_decision_is_the_same(name):
    whole = course(STREAMS[name], 1)
    decided = whole.alarm if whole.alarm is not None else whole.labels
    for until in range(CHANGE + 5, DAYS, 11):
        found = course(STREAMS[name], 1, until)
        if decided is None or until <= CHANGE + decided:
            assert (found.alarm, found.labels) == (None, None)
        else:
            assert (found.alarm, found.labels, found.mend) == (
                whole.alarm,
                whole.labels,
                whole.mend,
            )
