"""A promotion that cannot be made is refused before anything runs or is written."""

import nbformat
import pytest

from mlops_nb.errors import JobError
from mlops_nb.jobs.promote.request import Request
from mlops_nb.project import open_project


@pytest.mark.parametrize("pattern", ["/abs/*.csv", "**.csv", ".", "../*.csv", "a/../../*.csv"])
def test_a_glob_is_refused_before_the_proof(tmp_path, pattern):
    cell = nbformat.v4.new_code_cell("x = 1")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "n.ipynb")
    (tmp_path / ".git").mkdir()
    project = open_project(tmp_path)
    with pytest.raises(JobError) as refused:
        project.promote(tmp_path / "n.ipynb", Request(name="g", triggers=(f"data:{pattern}",)))
    assert repr(pattern) in refused.value.what
    assert refused.value.exit_status == 2
    assert {p.name for p in tmp_path.iterdir()} <= {"n.ipynb", ".git", ".mlops"}
    assert not (tmp_path / ".mlops" / "runs").exists()
