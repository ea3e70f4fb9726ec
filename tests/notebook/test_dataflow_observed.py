"""What a run showed and what the text tells are joined into one flow."""

from mlops_nb.notebook import dataflow_observed
from mlops_nb.notebook.dataflow import Flow, trace
from mlops_nb.notebook.model import Cell, Names, Notebook
from mlops_nb.notebook.static_names import names

EMPTY = {
    "reads": [],
    "writes": [],
    "changes": [],
    "deletes": [],
    "channels_read": [],
    "channels_changed": [],
    "files_read": [],
    "files_written": [],
    "assumed": [],
    "failed": False,
}


BOOK = Notebook(
    name="a", cells=tuple(Cell(index=i, position=i, id="", source="", count=i) for i in range(3))
)


def seen(**told):
    return EMPTY | told


def joined(*cells):
    """Return what each cell depends on: cells are texts where they were not seen."""
    found = [names(c if isinstance(c, str) else "", {}) for c in cells]
    told = {i: c for i, c in enumerate(cells) if not isinstance(c, str)}
    return [flow.depends_on for flow in dataflow_observed.flows(trace(found), found, told)]


def test_a_read_leads_to_the_cell_that_last_bound_or_changed_the_name():
    cells = seen(writes=["x"]), seen(reads=["x"], changes=["x"]), seen(reads=["x"])
    assert joined(*cells) == [(), (0,), (1,)]


def test_a_name_that_was_deleted_was_changed():
    assert joined(seen(writes=["x"]), seen(deletes=["x"]), seen(reads=["x"])) == [(), (), (1,)]


def test_files_and_channels_join_cells():
    cells = (
        seen(files_written=["/a.csv"], channels_changed=["rng:numpy"]),
        seen(files_read=["/a.csv"]),
        seen(channels_read=["rng:numpy"]),
    )
    assert joined(*cells) == [(), (0,), (0,)]


def test_whoever_reads_the_whole_environment_reads_every_variable():
    cells = seen(channels_changed=["env:A"]), seen(channels_changed=["env:B"])
    assert joined(*cells, seen(channels_read=["env:*"])) == [(), (), (0, 1)]


def test_a_channel_and_a_name_may_be_called_the_same():
    cells = seen(writes=["warnings"]), seen(channels_changed=["warnings"])
    assert joined(*cells, seen(reads=["warnings"])) == [(), (), (0,)]
    assert joined(*cells, seen(channels_read=["warnings"])) == [(), (), (1,)]
    both = seen(reads=["warnings"], channels_read=["warnings"])
    assert joined(*cells, both) == [(), (), (0, 1)]


def test_cells_that_were_not_seen_go_by_their_text():
    assert joined("x = 1", seen(reads=["x"], writes=["y"]), "z = y") == [(), (0,), (1,)]
    assert joined(seen(writes=["x"]), seen(lost="why", assumed=["why"])) == [(), ()]


def test_a_cell_that_could_not_be_watched_is_assumed():
    kept = dataflow_observed.as_seen(names("x = 1", {}), seen(lost="why"))
    assert kept.assumed
    assert kept.writes == {"x"}


def test_what_was_seen_takes_the_place_of_what_the_text_tells():
    told = seen(writes=["y"], changes=["x"], channels_changed=["figures"], assumed=["a guess"])
    kept = dataflow_observed.as_seen(names("show(x)", {}), told)
    assert (kept.writes, kept.changes) == ({"y"}, {"x"})
    assert kept.assumed


def test_a_cell_that_only_shows_may_leave_a_figure_and_its_value():
    shows = Names(only_shows=True)
    assert dataflow_observed.as_seen(shows, seen(channels_changed=["figures", "Out[3]"])).only_shows
    assert not dataflow_observed.as_seen(shows, seen(channels_changed=["rng:numpy"])).only_shows


def test_differences_between_a_run_and_the_text_are_told_both_ways():
    static = [Flow(), Flow(sources={"x": (0,)}), Flow()]
    now = [Flow(), Flow(), Flow(sources={"file:/a": (1,)})]
    told = {i: seen() for i in range(3)}
    found = [(w.kind, w.cell) for w in dataflow_observed.differences(BOOK, static, now, told)]
    assert found == [("only-in-text", 1), ("only-observed", 2)]
    told[1] = seen(failed=True)
    assert [w.cell for w in dataflow_observed.differences(BOOK, static, now, told)] == [2]


def test_a_difference_is_said_once_a_cell_with_its_names():
    static = [Flow(), Flow(), Flow(sources={"a": (0,)})]
    now = [Flow(), Flow(), Flow(sources={"a": (0,), "b": (1,), "file:/c": (1,)})]
    (warned,) = dataflow_observed.differences(BOOK, static, now, {i: seen() for i in range(3)})
    assert warned.what == "In [2] depends on b, file:/c of In [1], which only a run shows"
    now = [Flow(), Flow(), Flow(sources={"a": (0,), "b": (1,)})]
    (warned,) = dataflow_observed.differences(BOOK, now, [Flow()] * 3, {2: seen()})
    assert warned.what.startswith("In [2] depends on a of In [0] and b of In [1] by its text")


def test_imports_and_what_is_around_every_cell_are_no_difference():
    nothing, told = [Flow(), Flow()], {0: seen(), 1: seen()}
    imported = [Flow(), Flow(sources={"np": (0,)})]
    around = [Flow(), Flow(sources={"warnings": (0,), "matplotlib": (0,), "module:pandas": (0,)})]
    assert dataflow_observed.differences(BOOK, imported, nothing, told, [{"np"}, set()]) == []
    assert dataflow_observed.differences(BOOK, nothing, around, told) == []
    assert [w.kind for w in dataflow_observed.differences(BOOK, imported, nothing, told)] == [
        "only-in-text"
    ]


def test_a_bundle_follows_what_the_text_shows_and_what_a_run_showed():
    texts = ("a = 1", "b = 2", "for x in [a]:\n    x", "c = a if a else b")
    found = [names(text, {}) for text in texts]
    told = {2: seen(changes=["a"], reads=["a"]), 3: seen(reads=["a"], writes=["c"])}
    _, flows = dataflow_observed.observed(found, trace(found), told, with_text=True)
    assert [flow.depends_on for flow in flows] == [(), (), (0,), (0, 1, 2)]
    assert flows[2].changes == {"a"}


def test_a_cell_that_may_read_any_name_depends_on_all_that_was_bound():
    found = [names(text, {}) for text in ("a = 1", "b = 2", "b = 3", "f()")]
    told = {3: seen(reads=["f"], reads_any=True)}
    _, flows = dataflow_observed.observed(found, trace(found), told, with_text=True)
    assert flows[3].depends_on == (0, 2)
