"""What stands is never stale, what runs is never more than need be, and each says why."""

import os
import shutil
import signal
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from mlops_nb.errors import NotFound, Refused
from mlops_nb.events import ArtifactDamaged, ReuseAudited, StepRecorded
from mlops_nb.project import Rules, open_project


class Workspace:
    """A folder with one notebook, whose cells can be changed between runs."""

    def __init__(self, folder: Path, *cells: str, parameters: str = "") -> None:
        self.folder, self.parameters = folder, parameters
        (folder / ".git").mkdir()
        self.write(*cells)
        self.project = open_project(folder)

    def write(self, *cells: str) -> None:
        made = [new_code_cell(text) for text in cells]
        if self.parameters:
            made.insert(0, new_code_cell(self.parameters, metadata={"tags": ["parameters"]}))
        for number, cell in enumerate(made):
            cell["id"] = f"cell-{number}"
        notebook = new_notebook(cells=made)
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "P"}
        nbformat.write(notebook, self.folder / "n.ipynb")

    def run(self, rules=None, **parameters):
        """Run it; remember the whole run, and return step → status."""
        self.told = []
        self.last = self.project.run("n.ipynb", parameters, rules=rules, notify=self.told.append)
        return {name: step["status"] for name, step in self.last.steps.items()}

    def why(self, step):
        return self.last.steps[step]["because"]


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "desk"
    folder.mkdir()
    return lambda *cells, **more: Workspace(folder, *cells, **more)


THREE = (
    "# mlops: step load\nrows = [1, 2, 3]",
    "# mlops: step scale\nscaled = [r * factor for r in rows]",
    "# mlops: step total\ntotal = sum(scaled) + extra",
)
RAN = {"load": "finished", "scale": "finished", "total": "finished"}


def test_what_nothing_changed_stands_and_what_reads_a_parameter_runs(workspace):
    it = workspace(*THREE, parameters="factor = 2\nextra = 1")
    assert it.run() == RAN
    assert it.why("load") == "`load` must run: it was never run here before"
    assert it.run() == dict.fromkeys(RAN, "reused")
    assert (
        it.why("scale")
        == "`scale` is up to date: code, 1 parameter, 1 input and environment unchanged"
    )
    assert it.last.metrics == {"total": 13.0}
    assert it.run(extra=5) == {"load": "reused", "scale": "reused", "total": "finished"}
    assert it.why("total") == "`total` must run: parameter `extra` 1 → 5"
    assert it.last.metrics == {"total": 17.0}
    assert it.run(factor=3) == RAN | {"load": "reused"}
    assert it.why("total") == "`total` must run: its input `scaled` is another value"
    assert it.last.metrics == {"total": 19.0}
    assert it.run(extra=5) == dict.fromkeys(RAN, "reused"), "an older record stands, too"


def test_layout_stands_code_runs_and_an_equal_result_stops_it_from_spreading(workspace):
    it = workspace(*THREE, parameters="factor = 2\nextra = 1")
    it.run()
    it.write("# mlops: step load\n# a comment\nrows = [1,\n  2, 3]", *THREE[1:])
    assert it.run() == dict.fromkeys(RAN, "reused")
    it.write("# mlops: step load\nrows = list((1, 2, 3))", *THREE[1:])
    assert it.run() == {"load": "finished", "scale": "reused", "total": "reused"}
    assert it.why("load") == "`load` must run: its code changed"


def test_a_constant_or_function_of_the_set_up_belongs_to_who_uses_it(workspace):
    cells = (
        "K = 2\ndef twice(x): return x * K",
        "def other(): return 1",
        "# mlops: step a\nx = twice(3)",
        "# mlops: step b\ny = other()",
    )
    it = workspace(*cells)
    it.run()
    it.write("K = 5\ndef twice(x): return x * K", *cells[1:])
    assert it.run() == {"a": "finished", "b": "reused"}
    assert it.last.metrics == {"K": 5.0, "x": 15.0, "y": 1.0}
    assert it.run() == {"a": "reused", "b": "reused"}
    assert it.last.metrics == {"K": 5.0, "x": 15.0, "y": 1.0}


def test_a_file_is_known_by_its_bytes_however_its_time_stamp_looks(workspace):
    it = workspace("# mlops: step load\ntext = open('in.txt').read()")
    file = it.folder / "in.txt"
    file.write_text("one")
    os.utime(file, (1_600_000_000, 1_600_000_000))
    it.run()
    assert it.run() == {"load": "reused"}
    file.write_text("two")
    os.utime(file, (1_600_000_000, 1_600_000_000))
    assert it.run() == {"load": "finished"}
    assert it.why("load") == "`load` must run: file 'in.txt' changed"
    os.utime(file)
    assert it.run() == {"load": "reused"}
    file.unlink()
    with pytest.raises(AssertionError):
        assert it.run() == {"load": "reused"}
    assert it.last.status == "failed"


def test_a_file_that_a_step_wrote_has_to_be_there_still(workspace):
    it = workspace(
        "# mlops: step a\nopen('out.txt', 'w').write('hello')\na = 1",
        "# mlops: step b\nb = len(open('out.txt').read())",
    )
    it.run()
    assert it.run() == {"a": "reused", "b": "reused"}
    (it.folder / "out.txt").unlink()
    assert it.run() == {"a": "finished", "b": "reused"}
    assert (it.folder / "out.txt").read_text() == "hello"


def test_new_files_in_a_folder_that_was_listed_count(workspace):
    it = workspace("# mlops: step a\nimport glob\nn = len(glob.glob('data/*.csv'))")
    (it.folder / "data").mkdir()
    (it.folder / "data" / "1.csv").write_text("a")
    it.run()
    assert it.run() == {"a": "reused"}
    (it.folder / "data" / "2.csv").write_text("b")
    assert it.run() == {"a": "finished"}
    assert it.last.metrics == {"n": 2.0}


@pytest.mark.parametrize("ask", ["os.path.exists('m.txt')", "Path('m.txt').is_file()"])
def test_a_file_that_was_asked_for_and_not_there_counts_as_soon_as_it_is(workspace, ask):
    it = workspace(
        f"# mlops: step a\nimport os\nfrom pathlib import Path\n"
        f"m = open('m.txt').read() if {ask} else 'none'\n",
        "# mlops: step b\nlength = len(m)",
    )
    it.run()
    assert it.run() == {"a": "reused", "b": "reused"}
    (it.folder / "m.txt").write_text("here")
    assert it.run() == {"a": "finished", "b": "finished"}
    assert it.why("a") == "`a` must run: file 'm.txt' is there now"
    assert it.run() == {"a": "reused", "b": "reused"}


def test_an_edited_module_of_the_project_counts(workspace):
    it = workspace("import helper", "# mlops: step a\nx = helper.f()")
    (it.folder / "helper.py").write_text("def f(): return 1\n")
    it.run()
    assert it.run() == {"a": "reused"}
    (it.folder / "helper.py").write_text("def f(): return 22\n")
    assert it.run() == {"a": "finished"}
    assert it.last.metrics == {"x": 22.0}


def test_an_environment_variable_that_is_read_counts(workspace, monkeypatch):
    monkeypatch.setenv("REGION", "north")
    it = workspace("# mlops: step a\nimport os\nx = len(os.environ['REGION'])")
    it.run()
    assert it.run() == {"a": "reused"}
    it.project.context.environment["REGION"] = "northwest"
    monkeypatch.setenv("REGION", "northwest")
    assert it.run() == {"a": "finished"}
    assert it.why("a") == "`a` must run: environment variable REGION changed"


def test_drawing_without_a_seed_never_stands_and_a_seed_is_carried_on(workspace):
    draws = (
        "# mlops: step a\nimport numpy as np\na = np.random.rand()",
        "# mlops: step b\nb = np.random.rand() + shift",
    )
    it = workspace(*draws, parameters="shift = 0.0")
    it.run()
    assert it.run() == {"a": "finished", "b": "finished"}
    assert "seed it" in it.why("a")
    it.write(
        "# mlops: step a\nimport numpy as np\nnp.random.seed(7)\na = np.random.rand()", draws[1]
    )
    it.run()
    whole = it.last.metrics
    assert it.run() == {"a": "reused", "b": "reused"}
    assert it.run(shift=1.0) == {"a": "reused", "b": "finished"}
    assert it.last.metrics == {"a": whole["a"], "b": whole["b"] + 1.0}


def test_functions_and_classes_of_a_step_that_stands_are_the_notebooks_own(workspace):
    it = workspace(
        "# mlops: step a\nk = 1\ndef f(): return k\nclass P:\n    def __init__(self): self.v = 2\np = P()",
        "# mlops: step b\nk = 10 * scale\nr = f() + p.v + isinstance(p, P)",
        parameters="scale = 1",
    )
    it.run()
    assert it.last.metrics["r"] == 13.0
    assert it.run(scale=2) == {"a": "reused", "b": "finished"}
    assert it.last.metrics["r"] == 23.0


def test_values_that_shared_memory_share_it_again(workspace):
    it = workspace(
        "# mlops: step a\nrow = [1]\nbox = {'row': row}",
        "# mlops: step b\nrow.append(more)\nn = sum(box['row'])",
        parameters="more = 2",
    )
    it.run()
    assert it.run(more=5) == {"a": "reused", "b": "finished"}
    assert it.last.metrics["n"] == 6.0


def test_what_cannot_be_kept_is_made_again_where_it_is_needed(workspace):
    cells = (
        "# mlops: step a\ng = (i for i in range(5))\nx = 1",
        "# mlops: step b\ny = next(g) + x",
        "# mlops: step c\nz = x",
    )
    it = workspace(*cells)
    it.run()
    assert set(it.run().values()) == {"reused"}
    it.write(cells[0], cells[1].replace("+ x", "+ 9"), cells[2])
    assert it.run() == {"a": "finished", "b": "finished", "c": "reused"}


def test_what_comes_from_outside_stands_only_as_a_snapshot(workspace):
    cell = (
        "# mlops: step a{}\nimport sqlalchemy as sa\ne = sa.create_engine('sqlite://')\n"
        "with e.connect() as c: x = c.execute(sa.text('select 4')).scalar()\ndel c, e"
    )
    it = workspace(cell.format(""))
    it.run()
    assert it.run() == {"a": "finished"}
    assert "outside" in it.why("a")
    it.write(cell.format(" --snapshot 12h"))
    it.run()
    assert it.run() == {"a": "reused"}
    assert it.why("a").startswith("`a` is up to date: a snapshot of ")


def test_a_step_can_be_told_never_to_stand(workspace):
    it = workspace("# mlops: step a --no-reuse\nx = 1", "# mlops: step b\ny = x")
    it.run()
    assert it.run() == {"a": "finished", "b": "reused"}


def test_a_flipped_bit_is_a_miss_and_never_a_wrong_value(workspace):
    it = workspace(*THREE, parameters="factor = 2\nextra = 1")
    it.run()
    for place in (it.folder / ".mlops" / "store").glob("??/*"):
        data = bytearray(place.read_bytes())
        data[len(data) // 2] ^= 1
        place.write_bytes(bytes(data))
    it.run(extra=5)
    assert it.last.status == "finished"
    assert it.last.metrics == {"total": 17.0}
    damaged = [e for e in it.told if isinstance(e, ArtifactDamaged)]
    assert damaged or it.last.steps["scale"]["status"] == "finished"
    assert it.run(extra=5) == dict.fromkeys(RAN, "reused")


def test_a_store_that_is_gone_is_made_again(workspace):
    it = workspace(*THREE, "total", parameters="factor = 2\nextra = 1")
    it.run()
    shutil.rmtree(it.folder / ".mlops" / "store")
    it.run(extra=2)
    assert it.last.metrics == {"total": 14.0}


def test_what_cannot_be_stored_is_said_and_runs_again(workspace):
    it = workspace(*THREE, parameters="factor = 2\nextra = 1")
    (it.folder / ".mlops").mkdir()
    (it.folder / ".mlops" / "store").write_text("a file where a folder should be")
    assert it.run() == RAN
    assert it.last.status == "finished"
    assert any("cannot be stored" in w.what for w in it.project.context.warnings)
    assert it.run() == RAN


def test_outputs_of_what_stands_are_in_the_notebook(workspace):
    it = workspace(
        "# mlops: step a\nx = 3\nprint('made', x)",
        "x",
        "# mlops: step b\ny = x + n",
        parameters="n = 1",
    )
    it.run()
    first = nbformat.read(it.last.output, 4)
    for parameters in ({}, {"n": 2}):
        it.run(**parameters)
        cells = [
            c
            for c in nbformat.read(it.last.output, 4).cells
            if "injected-parameters" not in c.metadata.get("tags", [])
        ]
        assert [c.outputs for c in cells[1:3]] == [c.outputs for c in first.cells[1:3]]
        assert cells[1].outputs[0].text == "made 3\n"


def test_only_from_fresh_and_their_limits(workspace):
    it = workspace(*THREE, parameters="factor = 2\nextra = 1")
    it.run()
    assert it.run(Rules(fresh=True)) == RAN
    assert it.run(Rules(start="scale")) == RAN | {"load": "reused"}
    assert it.run(Rules(only="scale")) == {
        "load": "reused",
        "scale": "finished",
        "total": "not-run",
    }
    with pytest.raises(NotFound, match="no step 'scael'"):
        it.run(Rules(only="scael"))


def test_a_failed_run_is_resumed_from_the_step_that_failed(workspace):
    it = workspace(
        THREE[0],
        "# mlops: step scale\nscaled = [r / factor for r in rows]",
        THREE[2],
        parameters="factor = 2\nextra = 1",
    )
    it.run(factor=0)
    failed = it.last
    assert failed.status == "failed"
    it.write(THREE[0], "# mlops: step scale\nscaled = [r / (factor or 1) for r in rows]", THREE[2])
    it.last = it.project.run("n.ipynb", resume=failed.id)
    assert {n: s["status"] for n, s in it.last.steps.items()} == RAN | {"load": "reused"}
    assert it.last.parameters["factor"] == 0
    with pytest.raises(Refused, match="finished"):
        it.project.run("n.ipynb", resume=it.last.id)


def test_an_audit_finds_a_step_that_only_looked_the_same(workspace):
    cell = "# mlops: step a\nimport ctypes\nx = ctypes.CDLL(None).getpid()"
    it = workspace(cell, "# mlops: step b\ny = 1")
    it.run()
    it.run(Rules(audit=1.0))
    found = {e.step: e.differs for e in it.told if isinstance(e, ReuseAudited)}
    assert found == {"a": ("x",), "b": ()}


def test_a_kernel_killed_after_a_step_leaves_that_steps_record_and_no_other(workspace):
    it = workspace(
        "# mlops: step a\nx = 1",
        "# mlops: step b\nimport os, signal\ny = x\nos.kill(os.getpid(), signal.SIGKILL)",
    )
    it.run()
    assert it.last.status == "failed"
    recorded = [e.unit for e in it.told if isinstance(e, StepRecorded)]
    assert recorded == ["a"]
    it.write("# mlops: step a\nx = 1", "# mlops: step b\ny = x")
    assert it.run() == {"a": "reused", "b": "finished"}
    assert signal.SIGKILL == 9


def test_a_setting_that_later_steps_need_is_set_again(workspace):
    it = workspace(
        "# mlops: step a\nimport os\nos.environ['LEVEL'] = '3'\na = 1",
        "# mlops: step b\nb = int(os.environ['LEVEL']) * n",
        parameters="n = 1",
    )
    it.run()
    assert it.run() == {"a": "reused", "b": "reused"}
    assert it.run(n=2) == {"a": "finished", "b": "finished"}
    assert "which later cells may need" in it.why("a")
    assert it.last.metrics["b"] == 6.0
