"""Counters and the histogram of requests, as Prometheus reads them."""

from hypothesis import given
from hypothesis import strategies as st

from mlops_nb.serving import counts


@given(st.lists(st.floats(0, 10)))
def test_the_histogram_counts_what_took_at_most_each_bound(times):
    made = counts.Counts()
    for seconds in times:
        made.time(seconds)
    found = made.values
    for bound in counts.BOUNDS:
        name = counts.series("mlops_nb_request_seconds_bucket", {"le": bound})
        assert found.get(name, 0) == sum(seconds <= bound for seconds in times)
    assert found.get("mlops_nb_request_seconds_count", 0) == len(times)


def test_series_are_summed_over_processes_by_name_and_labels():
    one, other = counts.Counts(), counts.Counts()
    one.add("mlops_nb_rows_total", 3, model_version=1)
    other.add("mlops_nb_rows_total", 4, model_version=1)
    other.add("mlops_nb_rows_total", 5, model_version=2)
    found = counts.text(counts.summed([one.values, other.values]), {"mlops_nb_model_version": 2})
    assert 'mlops_nb_rows_total{model_version="1"} 7' in found
    assert 'mlops_nb_rows_total{model_version="2"} 5' in found
    assert "# TYPE mlops_nb_model_version gauge\nmlops_nb_model_version 2" in found
