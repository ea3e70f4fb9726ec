"""A sweep: how far it is while it runs, and its points as a chart and a table."""

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlops_nb.jupyter import sweep_chart
from mlops_nb.jupyter.widgets import kernel
from mlops_nb.jupyter.widgets.base import MlopsView
from mlops_nb.jupyter.widgets.static import html_table, text_table
from mlops_nb.markup import html
from mlops_nb.project import open_project
from mlops_nb.runs import history
from mlops_nb.runs.sweep_history import Sweep, sweep_json

LOOK_EVERY = 0.3  # s: interval between two looks at a sweep
WORTH_TELLING = 1.0  # s that a sweep must have left
TIP = "stop the points that run, and start no other; interrupting the cell does the same"
STOPPING = "stopping: points that run are being stopped …"


class SweepView(MlopsView):
    """A sweep that a process leads.

    done, points: how many points have ended, of how many
    """

    def __init__(self, process: "subprocess.Popen[str]", *, clicks: bool) -> None:
        self.process, self.by = process, ""
        self.done = self.points = 0
        self.stopping = self.button("Stop", self.stop, tip=TIP)
        super().__init__(*([self.stopping] if clicks else []))
        kernel.any_thread(self.stopping)

    def stop(self) -> str:
        """Stop the sweep as Ctrl-C does: what has finished stays, and it can be resumed."""
        if self.process.poll() is not None:
            return "the sweep is over"
        self.process.terminate()
        return STOPPING

    def progress(self, sweep: Sweep) -> None:
        """Show how far a sweep is: the points that have ended, and the time left."""
        counts, ended, self.by = sweep.counted(), _ended(sweep), sweep.by
        self.done, self.points = len(ended["runs"]), len(sweep.points)
        words = f"{counts['finished']} of {self.points} points"
        words += "".join(f", {counts[w]} {w}" for w in ("failed", "stopped") if counts[w])
        left = sweep.seconds_left()
        if left is not None and left > WORTH_TELLING:
            minutes, seconds = divmod(round(left), 60)
            words += f", about {f'{minutes} min ' if minutes else ''}{seconds} s left"
        bar = f'<progress max="{self.points}" value="{self.done}"></progress>'
        drawn = sweep_chart.chart(ended, by=self.by) if ended["runs"] else ""
        self.show(f"<p>{bar} {html(words)}</p>{drawn}", words)

    def end(self, answer: Mapping[str, Any], foot: str) -> None:
        """Show a sweep that has ended: its points as a chart and as rows.

        foot: what is said below them
        """
        self.stopping.disabled = True
        self.say("")
        head, rows = sweep_chart.comparison(answer)
        drawn = sweep_chart.chart(answer, by=self.by) + html_table(head, rows, foot)
        self.show(drawn, f"{text_table(head, rows)}\n{foot}".rstrip())


def _ended(sweep: Sweep) -> dict[str, Any]:
    """Return a sweep as `sweep --json` prints it, with the points that have ended."""
    runs = [history.run_json(run) for run in sweep.runs if run.status not in history.OPEN]
    return {"sweep": sweep.id, "runs": runs, "best": sweep.best or None}


class SweepCommand:
    """The command that leads a sweep, and the view of its progress while the cell waits for it."""

    def __init__(self, shell: Any, notebook: str, words: Sequence[str]) -> None:
        self.shell, self.path, self.words = shell, Path(notebook), words
        project = open_project(self.path.parent)
        resumed = any(word.startswith("--resume") for word in words)
        self.follower = project.follow_sweep(resumed=resumed)
        self.view: SweepView | None = None
        self.progress: Any = None  # the output that shows the view while the cell runs

    def run(self) -> SweepView | None:
        """Run the sweep; return its view, None if it was refused, which is printed."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            with subprocess.Popen(
                [sys.executable, "-m", "mlops_nb", "sweep", self.path.name, *self.words, "--json"],
                cwd=self.path.parent,
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            ) as process:
                try:
                    self._follow(process)
                except KeyboardInterrupt:  # the cell was interrupted: end it as Ctrl-C does
                    process.terminate()
            return self._ended(process, *map(_content, (out, err)))

    def _follow(self, process: "subprocess.Popen[str]") -> None:
        """Show the progress of the sweep until its process has ended."""
        from IPython.display import display

        while process.poll() is None:
            sweep = self.follower.look(process.pid)
            if sweep is not None and self.view is None:
                clicks = kernel.takes_clicks(self.shell)
                self.view = SweepView(process, clicks=clicks)
                self.view.progress(sweep)
                self.progress = display(self.view, display_id=True)
            elif sweep is not None and self.view is not None:
                self.view.progress(sweep)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(LOOK_EVERY)

    def _ended(
        self, process: "subprocess.Popen[str]", stdout: str, stderr: str
    ) -> SweepView | None:
        answer = json.loads(stdout) if stdout.strip() else {}
        sweep = self.follower.look(process.pid)
        if "sweep" not in answer or sweep is None:
            print(stderr.rstrip())  # noqa: T201  the output of a cell
            return None
        view = self.view or SweepView(process, clicks=False)
        lines = stderr.splitlines()
        foot = next((text.strip() for text in lines if text.startswith("  to continue: ")), "")
        view.progress(sweep)
        view.end(sweep_json(sweep), answer["error"]["what"] if "error" in answer else foot)
        if self.progress is not None:  # the result of the cell shows the view from now on
            self.progress.update({"text/html": "", "text/plain": ""}, raw=True)
        return view


def _content(file: Any) -> str:
    file.seek(0)
    return str(file.read())
