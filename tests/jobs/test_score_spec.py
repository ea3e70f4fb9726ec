"""Which files a job scores and where to: refused where it cannot work, before anything runs."""

import fnmatch
import re
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_nb.errors import JobError
from mlops_nb.jobs import score_spec
from mlops_nb.jobs.bundle import job_yaml
from mlops_nb.jobs.model import Job


def job(files: str, output: str, **more) -> Job:
    score = {"files": files, "output": output}
    given = {"folder": "work", "model_variable": "m", "model_name": "M", "score": score, **more}
    return Job(name="j", notebook="n.ipynb", source="n.ipynb", **given)


@pytest.mark.parametrize(
    ("files", "output"),
    [
        ("data/new-*.parquet", "scores/{name}"),
        ("data/new-*.parquet", "data/old-{stem}.csv"),
        ("data/**/*.csv", "scores/{stem}.parquet"),
        ("../in/*.csv", "{stem}/scores.csv"),
        ("*.csv", "scores/{name}"),
    ],
)
def test_files_and_outputs_that_work_are_taken(files, output):
    score_spec.refuse(job(files, output))
    assert job_yaml.read(job_yaml.write(job(files, output))).score == {
        "files": files,
        "output": output,
    }


@pytest.mark.parametrize(
    ("files", "output", "what"),
    [
        ("data/*.csv", "scores/all.csv", "neither {name} nor {stem}"),
        ("data/*.csv", "scores/{name}.txt", "neither CSV nor Parquet"),
        ("data/*.csv", "scores/{name}-{day}.csv", "braces around another word"),
        ("data/*.csv", "scores/*/{name}", "a wildcard"),
        ("data/*.csv", "data/{name}", "be scored itself"),
        ("data/*.csv", "data/../data/x-{name}", "be scored itself"),
        ("**/*.csv", "scores/{name}", "be scored itself"),
        ("data/[a-c]*.csv", "data/c{stem}.csv", "be scored itself"),
        ("data/*.csv", "../../{name}", "leaves the project"),
        ("data/*.csv", "/tmp/{name}", "not relative"),
        ("data/*.csv", "../.mlops/{name}", "a folder of this tool"),
        ("../../data/*.csv", "scores/{name}", "leaves the project"),
        ("/data/*.csv", "scores/{name}", "not relative"),
    ],
)
def test_what_cannot_work_is_refused_with_a_mend(files, output, what):
    with pytest.raises(JobError, match=re.escape(what)) as info:
        score_spec.refuse(job(files, output))
    assert info.value.fix


def test_without_a_model_nothing_is_scored():
    with pytest.raises(JobError, match="makes no model"):
        score_spec.refuse(job("data/*.csv", "scores/{name}", model_variable=None, model_name=None))


@pytest.mark.parametrize(("files", "output"), [("a/*.csv", None), (None, "b/{name}")])
def test_one_option_without_the_other_is_refused(files, output):
    with pytest.raises(JobError, match="give both") as info:
        score_spec.read(files, output)
    assert "--score" in info.value.fix


def test_a_name_that_looks_like_a_placeholder_stays_a_name():
    spec = {"output": "out/{stem}/{name}"}
    assert score_spec.output_of(spec, "in/{stem}.csv") == "out/{stem}/{stem}.csv"


NAMES = st.text("ab.*?", min_size=1, max_size=6)
OUTPUTS = st.tuples(st.text("ab.", max_size=3), st.text("ab.", max_size=3))


@given(glob=NAMES, output=OUTPUTS, name=st.text("ab.", min_size=1, max_size=4))
def test_an_output_that_a_glob_matches_always_counts_as_one_that_may(glob, output, name):
    made = PurePosixPath(f"{output[0]}{name}{output[1]}").name
    template = f"{output[0]}{{name}}{output[1]}"
    if made and fnmatch.fnmatchcase(made, glob) and not {made, glob} & {".", ".."}:
        assert score_spec.overlaps(glob, template)
