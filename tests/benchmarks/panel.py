"""How fast the panel is: its lists, its states, its drawing, its size and `%load_ext`.

    python tests/benchmarks/panel.py [ROUNDS]

Lists: `project.overview` of a journal with 10,000 runs, of which 1,000 jobs have one each, as the
server answers it. States: `session.view.pipeline_state` of 200 steps. Drawing, in a real JupyterLab
in Chromium: from the press on the tab to the frame that shows 200 steps, and what the panel adds to
a change of the active cell, for which JupyterLab itself needs a while. Medians of the rounds. Bars:
lists 200 ms; 200 steps first 300 ms, then 50 ms; the bundle 150 kB gzip; `%load_ext` 100 ms.
"""

import gzip
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "browser")]

RUNS, JOBS, STEPS = 10_000, 1_000, 200
LIB = Path(__file__).parents[2] / "mlops_nb" / "labextension" / "static"
LOAD_EXT = """
import sys, time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
began = time.perf_counter()
shell.run_line_magic("load_ext", "mlops_nb")
print(time.perf_counter() - began)
"""


def medians(doing: Callable[[], float], rounds: int) -> float:
    """Return the median of what a measurement returns."""
    return statistics.median(doing() for _ in range(rounds))


def timed(doing: Callable[[], object]) -> float:
    """Return how long something took, s."""
    began = time.perf_counter()
    doing()
    return time.perf_counter() - began


def listed(folder: Path) -> Callable[[], float]:
    """Return the measurement of the lists of a project with many runs and jobs."""
    from mlops_nb.events import JobApplied, RunFinished, RunQueued, RunStarted
    from mlops_nb.jobs.bundle import job_yaml
    from mlops_nb.jobs.model import Job
    from mlops_nb.project import open_project

    (folder / ".git").mkdir(parents=True)
    ctx = open_project(folder).context
    ctx.prepare_folder()
    events = []
    for number in range(RUNS):
        name, job = f"r{number}", f"job{number}" if number < JOBS else ""
        if job:
            made = Job(
                name=job,
                notebook="pipeline.ipynb",
                folder=".",
                source="n.ipynb",
                model_name=job,
                model_variable="model",
            )
            definition = job_yaml.definition(made)
            events.append(JobApplied(job=job, digest="d", bundle="b", definition=definition))
            events.append(
                RunQueued(
                    run=name, job=job, trigger="hand", scheduled_at="2026-01-01T00:00:00+00:00"
                )
            )
        events.append(RunStarted(run=name, job=job, notebook="n.ipynb", parameters={"depth": 3}))
        events.append(RunFinished(run=name, job=job, status="finished", seconds=1.0))
    ctx.record(events)
    return lambda: timed(lambda: json.dumps(open_project(folder).overview(200), default=str))


def stated(folder: Path) -> Callable[[], float]:
    """Return the measurement of the state of a notebook with many steps."""
    from mlops_nb.notebook import load
    from mlops_nb.session import view
    from mlops_nb.session.cells import LiveCells

    path = folder / "many.ipynb"
    path.write_text(json.dumps(notebook(STEPS)))
    return lambda: timed(lambda: view.pipeline_state(load.capture(path), LiveCells()))


def notebook(steps: int) -> dict[str, object]:
    """Return a notebook of a chain of steps."""
    sources = ["%load_ext mlops_nb", "depth = 1"]
    sources += [
        f"# mlops: step step-{n}\nv{n} = {f'v{n - 1}' if n else 0} + {n}" for n in range(steps)
    ]
    cells = [
        {
            "cell_type": "code",
            "id": f"c{number}",
            "source": source,
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
        for number, source in enumerate(sources)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def drawn(folder: Path, rounds: int) -> tuple[float, float]:
    """Return how long many steps take to be drawn, and what a change adds to JupyterLab, s."""
    from conftest import FLAGS, _chromium
    from jupyterlab_process import started
    from panel import OPEN, Panel
    from playwright.sync_api import sync_playwright

    root, home = folder / "root", folder / "home"
    for one in (root, home):
        one.mkdir()
    (root / "many.ipynb").write_text(json.dumps(notebook(STEPS)))
    (root / "few.ipynb").write_text(json.dumps(notebook(1)))
    with started(root, home) as lab, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=_chromium(playwright), args=list(FLAGS)
        )
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        panel = Panel(page, lab, "many.ipynb")
        panel.run_all()
        panel.step(f"step-{STEPS - 1}").wait_for(timeout=OPEN)
        panel.expect_states(**{f"step-{STEPS - 1}": "finished"})
        first = [page.evaluate(FIRST) for _ in range(rounds)]
        again = []
        for _ in range(4 * rounds):  # in turns with the panel and with another tab of it
            shown = []
            for tab in ("pipeline", "jobs"):
                panel.show(tab)
                shown.append(page.evaluate(AGAIN))
            again.append(shown[0] - shown[1])
        browser.close()
    return statistics.median(first) / 1000, statistics.median(again) / 1000


# the tab is left and shown again: every row is made anew
FIRST = """async () => {
    const panel = document.querySelector('#mlops-nb-panel');
    panel.querySelector('[data-tab="runs"]').click();
    await new Promise(resolve => setTimeout(resolve, 300));
    const began = performance.now();
    panel.querySelector('[data-tab="pipeline"]').click();
    while (panel.querySelectorAll('[data-step]').length < 200)
        await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    return performance.now() - began;
}"""
# another cell comes into focus, which JupyterLab and the panel both draw
AGAIN = """async () => {
    const content = window.jupyterapp.shell.currentWidget.content;
    const began = performance.now();
    content.activeCellIndex = 3 + Math.floor(Math.random() * 190);
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    return performance.now() - began;
}"""


def loaded() -> float:
    """Return how long `%load_ext mlops_nb` takes in a new process, s."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD_EXT], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def main() -> None:
    """Measure, and print each figure beside its bar."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    bundle = sum(len(gzip.compress(file.read_bytes())) for file in LIB.glob("*.js"))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        lists, state = medians(listed(place / "p"), rounds), medians(stated(place), rounds)
        first, again = drawn(place, rounds)
    print(f"{RUNS:,} runs and {JOBS:,} jobs listed   {lists:.3f} s   bar 0.2")
    print(f"state of {STEPS} steps               {state:.3f} s")
    print(f"{STEPS} steps drawn                  {first:.3f} s   bar 0.3")
    print(f"{STEPS} steps drawn again, added     {again:.3f} s   bar 0.05")
    print(f"%load_ext mlops_nb               {medians(loaded, rounds):.3f} s   bar 0.1")
    print(f"bundle, gzip                     {bundle / 1000:.0f} kB     bar 150")


if __name__ == "__main__":
    main()
