"""Stops the runs in the current folder that a broken-off demo left, in a process of its own."""

import contextlib

from mlops_nb.errors import MlopsError


def main() -> None:
    """Stop every run that goes on."""
    from mlops_nb.project import open_project

    project = open_project()
    for run in project.runs():
        if run.status == "running":
            with contextlib.suppress(MlopsError):  # it has ended by now
                project.stop(run.id)


if __name__ == "__main__":
    main()
