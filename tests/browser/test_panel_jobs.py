"""The panel from a notebook to a live model: promote, run, refuse, release, roll back, try."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pandas as pd
import psutil
import pytest
from panel import OPEN, Panel
from playwright.sync_api import expect
from wine import wine

if TYPE_CHECKING:
    from pathlib import Path

    from jupyterlab_process import Lab
    from playwright.sync_api import Locator, Page

PROOF = 240_000  # ms
TRAIN = """%mlops step train
model = DecisionTreeClassifier(max_depth=depth, random_state=seed).fit(X_train, y_train)
# mlops: model model --name wine"""
JUDGE = """%mlops step judge
pred = model.predict(X_test)
accuracy = float(accuracy_score(y_test, pred))
# mlops: metric accuracy
# mlops: evaluate --truth y_test --pred pred"""


def typed(lab: Lab, *words: str) -> dict:
    """Type a command in a terminal beside the browser."""
    done = subprocess.run(
        [sys.executable, "-m", "mlops_nb", *words, "--json"],
        cwd=lab.root,
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def notebook(lab: Lab) -> Path:
    (lab.root / ".git").mkdir()
    return wine(
        lab.root / "wine.ipynb",
        parameters="depth = 3\nshare = 0.3\nseed = 7",
        train=TRAIN,
        judge=JUDGE,
    )


def version(panel: Panel, number: int) -> Locator:
    return panel.node.locator(f'[data-model="wine"] [data-version="{number}"]')


def test_from_a_notebook_to_a_live_model_and_back(page: Page, lab: Lab, notebook: Path) -> None:
    errors: list[str] = []
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    before = notebook.read_bytes()
    panel = Panel(page, lab, "wine.ipynb")
    panel.run_all()
    panel.expect_states(judge="finished")
    panel.source(3, "depth = 4\nshare = 0.3\nseed = 7")
    panel.expect_states(load="finished", train="stale", judge="stale")
    page.locator(".jp-Cell").nth(7).click()
    panel.picture("panel")
    panel.source(3, "depth = 3\nshare = 0.3\nseed = 7")
    panel.expect_states(judge="finished")
    promoted(panel, "accuracy >= champion")
    panel.show("jobs")
    job = panel.node.locator('[data-job="wine"]')
    expect(job).to_have_attribute("data-status", "active")
    expect(job).to_contain_text("At 03:00 on Monday, Asia/Seoul")
    expect(panel.node).to_contain_text("No scheduler has been seen")
    started(panel, lab)
    production = page.locator("[data-production=wine]").first
    expect(production).to_contain_text("job wine")
    expect(production).to_contain_text("accuracy")

    panel.press("pause", '[data-job="wine"]')
    expect(job).to_have_attribute("data-status", "paused", timeout=OPEN)
    panel.press("unpause", '[data-job="wine"]')
    expect(job).to_have_attribute("data-status", "active", timeout=OPEN)

    assert typed(lab, "trigger", "wine", "-p", "depth", "1")["status"] == "refused"
    panel.press("history", '[data-job="wine"]')
    expect(job.locator('[data-run][data-status="refused"]')).to_contain_text("accuracy")
    lines = job.locator(".mlops-history .mlops-line-2")
    assert not any(lines.evaluate_all("all => all.map(one => one.scrollWidth > one.clientWidth)"))
    panel.picture("jobs")
    assert violations(panel) == {}
    rolled_back(panel)
    tried(panel, lab)
    assert errors == []
    assert cells(before) == cells(notebook.read_bytes())


def violations(panel: Panel) -> dict[str, list[str]]:
    """Return what axe objects to in each tab: rule, and the elements."""
    found = {}
    for tab in ("pipeline", "runs", "jobs", "models"):
        panel.show(tab)
        found |= {f"{tab}: {rule}": where for rule, where in panel.violations().items()}
    return found


def promoted(panel: Panel, gate: str) -> None:
    """Fill the form in, prove, and confirm."""
    panel.press("promote")
    form = panel.page.locator('[data-wizard="promote"]')
    fields = {"name": "wine", "schedule": "0 3 * * 1", "timezone": "Asia/Seoul", "gates": gate}
    for name, value in fields.items():
        form.locator(f'[name="{name}"]').fill(value)
    assert form.locator('[name="model"]').input_value() == "model"
    confirm = form.locator('[data-action="confirm"]')
    expect(confirm).to_be_disabled()
    form.locator('[data-action="dry-run"]').click()
    expect(confirm).to_be_enabled(timeout=PROOF)
    expect(form).to_contain_text("The job equals the notebook in 4 steps")
    expect(form).to_contain_text("At 03:00 on Monday, Asia/Seoul.")
    form.locator('[name="gates"]').fill(f"{gate} - 0.01")
    expect(confirm).to_be_disabled()  # another form is not what was proven
    form.locator('[data-action="dry-run"]').click()
    expect(confirm).to_be_enabled(timeout=PROOF)
    panel.picture("promotion")
    confirm.click()
    expect(panel.node.locator('[data-job="wine"]')).to_be_visible(timeout=PROOF)


def started(panel: Panel, lab: Lab) -> None:
    """Start a scheduler by its button, which asks once; then end its process."""
    hint = panel.node.locator("[data-scheduler=missing]")
    panel.press("start-scheduler", "[data-scheduler]")
    expect(hint).to_contain_text("goes on when the browser, the kernel or Jupyter ends")
    panel.picture("scheduler")
    assert not (lab.root / ".mlops" / "scheduler.log").exists()
    panel.press("confirm", "[data-scheduler]")
    try:
        expect(hint).to_have_count(0, timeout=OPEN)
        (scheduler,) = schedulers(lab)
        assert scheduler.is_running()
    finally:
        for process in schedulers(lab):
            process.terminate()
            process.wait(30)


def schedulers(lab: Lab) -> list[psutil.Process]:
    """Return the schedulers of the project of this JupyterLab."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "cwd"])
        if (process.info["cmdline"] or [])[-2:] == ["mlops_nb", "scheduler"]
        and process.info["cwd"] == str(lab.root.resolve())
    ]


def rolled_back(panel: Panel) -> None:
    """Release another version, and go back to the one before."""
    panel.show("models")
    champion = panel.node.locator('[data-champion="true"]')
    expect(champion).to_have_attribute("data-version", "1", timeout=OPEN)
    typed(panel.lab, "trigger", "wine", "-p", "depth", "4")
    expect(champion).to_have_attribute("data-version", "2", timeout=OPEN)
    panel.press("rollback", '[data-model="wine"]')
    expect(panel.node.locator(".mlops-confirm")).to_contain_text("instead of version 2")
    panel.picture("models")
    panel.press("confirm", '[data-model="wine"]')
    expect(version(panel, 1)).to_have_attribute("data-champion", "true", timeout=OPEN)


def tried(panel: Panel, lab: Lab) -> None:
    """Ask the model for one row, and find it in the log."""
    panel.press("try", '[data-model="wine"]')
    form = panel.node.locator('[data-try="wine"]')
    form.locator('[name="alcohol"]').fill("13.5", timeout=OPEN)
    form.locator('[data-action="ask"]').click()
    expect(form.locator(".mlops-answer")).to_contain_text("version 1", timeout=OPEN)
    (file,) = (lab.root / ".mlops" / "predictions" / "wine").glob("day=*/*.parquet")
    (row,) = pd.read_parquet(file).to_dict("records")
    assert (row["source"], row["model_version"], row["in_alcohol"]) == ("try", 1, 13.5)


def cells(content: bytes) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(content)["cells"]]


def test_a_background_run_is_listed_stopped_and_run_again(
    page: Page, lab: Lab, notebook: Path
) -> None:
    slow = wine(lab.root / "slow.ipynb", judge="%mlops step judge\nimport time\ntime.sleep(600)")
    panel = Panel(page, lab, slow.name)
    panel.expect_states(judge="never")
    panel.press("run")
    panel.show("runs")
    running = panel.node.locator('[data-run][data-status="running"]')
    running.locator(".mlops-run-main").click(timeout=OPEN)
    panel.press("stop")
    stopped = panel.node.locator('[data-run][data-status="stopped"]')
    expect(stopped).to_have_count(1, timeout=OPEN)
    panel.press("rerun")
    expect(running).to_have_count(1, timeout=OPEN)
    running.locator(".mlops-run-main").click()
    panel.press("stop")
    expect(stopped).to_have_count(2, timeout=OPEN)


THEMES = ["JupyterLab Light", "JupyterLab Dark", "JupyterLab Dark High Contrast"]


@pytest.mark.parametrize("theme", THEMES)
def test_every_text_can_be_read_in_every_theme(
    page: Page, lab: Lab, notebook: Path, theme: str
) -> None:
    """The contrast of each text with its background is 4.5 or more (WCAG 2, AA)."""
    panel = Panel(page, lab, "wine.ipynb")
    expect(panel.step("judge")).to_be_visible(timeout=OPEN)
    page.evaluate(
        "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme
    )
    page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme)
    page.wait_for_timeout(500)  # colours change over 0.12 s
    weak = {
        tab: low
        for tab in ("pipeline", "runs", "jobs", "models")
        if (panel.show(tab), low := panel.node.evaluate(CONTRAST))[1]
    }
    assert weak == {}


CONTRAST = """panel => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => { const f = [r, g, b].map(v => { v /= 255;
      return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * f[0] + 0.7152 * f[1] + 0.0722 * f[2]; };
  const behind = node => { for (let n = node; n; n = n.parentElement) {
      const c = parse(getComputedStyle(n).backgroundColor);
      if (c.length === 3 || c[3] > 0.99) return c; } return [255, 255, 255]; };
  const low = [];
  for (const node of panel.querySelectorAll('*')) {
    const own = [...node.childNodes].some(c => c.nodeType === 3 && c.textContent.trim());
    const box = node.getBoundingClientRect();
    if (!own || !box.width || node.closest('[disabled], .mlops-unseen, svg, datalist')) continue;
    const a = light(parse(getComputedStyle(node).color)), b = light(behind(node));
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) low.push([node.textContent.trim().slice(0, 30), contrast.toFixed(2)]);
  }
  return low;
}"""
