"""The setting of a job that scores files: which files, and where their answers go."""

import posixpath
import re
from collections.abc import Mapping
from functools import cache
from pathlib import PurePosixPath
from typing import Any

from mlops_nb.errors import JobError
from mlops_nb.jobs.model import Job
from mlops_nb.jobs.triggers import data
from mlops_nb.serving.tables import KINDS

PLACEHOLDER = re.compile(r"\{(name|stem)\}")
CLOSED = {".mlops", ".git"}  # folders of the project that no output goes to
FIX = 'write it as -o "scores/{name}": {name} is the file\'s name, {stem} the name without suffix'


def read(files: str | None, output: str | None) -> dict[str, str] | None:
    """Return the setting of `--score FILES -o OUTPUT`; None without.

    Raises JobError if only one of them is given.
    """
    if files is None and output is None:
        return None
    if files is None or output is None:
        what = "--score is without an output" if output is None else "-o is without files to score"
        raise JobError(f"{what}: give both", fix='--score "data/new-*.parquet" -o "scores/{name}"')
    return {"files": files, "output": output}


def refuse(job: Job) -> None:
    """Refuse files to score without a model, outside the project, or that feed themselves.

    Raises JobError.
    """
    if job.score is None:
        return
    files, output = job.score["files"], job.score["output"]
    if not job.model_variable:
        raise JobError(
            f"job {job.name!r} makes no model, so it can score no files",
            fix="name one: --model VAR",
        )
    if problem := data.problem(files, job.folder):
        raise JobError(f"the files to score, {files!r}: the glob {problem}", fix=data.FIX)
    if problem := _problem(output, job.folder):
        raise JobError(f"the output of scores {output!r} {problem}", fix=FIX)
    if overlaps(files, output):
        raise JobError(
            f"the output {output!r} may match the files to score, {files!r}, and be scored itself",
            fix='write it into another folder: -o "scores/{name}"',
        )


def _problem(output: str, folder: str) -> str:
    if not PLACEHOLDER.search(output):
        return "has neither {name} nor {stem}: all files would have the same output"
    bare = PLACEHOLDER.sub("x", output)
    if set(bare) & set("{}*?["):
        return "has a wildcard, or braces around another word than name and stem"
    if problem := data.problem(bare, folder):
        return problem
    if not output.endswith("{name}") and PurePosixPath(bare).suffix.lower() not in KINDS:
        return "is neither CSV nor Parquet"
    if posixpath.normpath(posixpath.join(folder, bare)).split("/")[0] in CLOSED:
        return "is a folder of this tool or of git"
    return ""


def output_of(spec: Mapping[str, Any], file: str) -> str:
    """Return the output of a file, both from the job's folder.

    >>> output_of({"output": "scores/{stem}-{name}"}, "data/a.csv")
    'scores/a-a.csv'
    """
    path = PurePosixPath(file)
    parts = {"name": path.name, "stem": path.stem}
    return PLACEHOLDER.sub(lambda found: parts[found[1]], str(spec["output"]))


def overlaps(files: str, output: str) -> bool:
    """Return whether a glob may match an output, whatever the file's name is.

    >>> overlaps("data/*.csv", "data/scored-{name}"), overlaps("data/new-*.csv", "data/old-{name}")
    (True, False)
    """
    glob = posixpath.normpath(files).split("/")
    wanted = posixpath.normpath(PLACEHOLDER.sub("*", output)).split("/")
    return _meet_folders(glob, wanted)


def _meet_folders(glob: list[str], wanted: list[str]) -> bool:
    if not glob:
        return not wanted
    if glob[0] == "**":
        return any(_meet_folders(glob[1:], wanted[start:]) for start in range(len(wanted) + 1))
    return bool(wanted) and _meet(glob[0], wanted[0]) and _meet_folders(glob[1:], wanted[1:])


def _meet(one: str, other: str) -> bool:
    """Return whether a name can match two patterns; a set of letters counts as any letter."""
    one = re.sub(r"\[[^]]+\]", "?", one)

    @cache
    def meet(i: int, j: int) -> bool:
        left, right = one[i : i + 1], other[j : j + 1]
        if left == "*":
            return meet(i + 1, j) or bool(right and meet(i, j + 1))
        if right == "*":
            return meet(i, j + 1) or bool(left and meet(i + 1, j))
        if not left or not right:
            return left == right
        return left in {right, "?"} and meet(i + 1, j + 1)

    return meet(0, 0)
