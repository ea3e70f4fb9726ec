"""Which numbers of a notebook are the metrics of its job."""

from mlops_nb.jobs.cut import measured_metrics
from mlops_nb.jobs.model import Job
from mlops_nb.notebook import cells, pipeline


def metrics(*texts, gates=(), triggers=()):
    raw = [{"cell_type": "code", "source": text, "metadata": {}} for text in texts]
    book = cells.read({"cells": raw, "nbformat": 4}, "a")
    job = Job(name="j", notebook="a", folder="", source="a", gates=gates, triggers=triggers)
    return measured_metrics(job, pipeline.pipeline(book))


def test_marks_name_the_metrics_whatever_gates_judge():
    assert metrics("%mlops metric auc\nauc = f()\ni = 59", gates=("i >= 0.5",)) == ("auc",)


def test_gates_and_triggers_name_them_where_no_mark_does():
    triggers = ({"metric": "recall", "fall": 0.1},)
    gates = ("auc >= 0.5", "auc >= champion", "recall gap by sex <= 0.1")
    assert metrics("auc = f()\ni = 59", gates=gates, triggers=triggers) == ("auc", "recall")


def test_without_any_name_every_number_may_be_one():
    assert metrics("auc = f()") == ()


def test_gates_on_the_evaluation_name_no_number_of_the_notebook():
    mark = "%mlops evaluate --truth y --score s --by sex\ny = s = f()"
    assert metrics(mark, gates=("auc >= 0.5", "auc by sex >= 0.4")) == ()
