"""The panel in a JupyterLab that is set to Korean."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jupyterlab_process import started
from panel import OPEN, Panel
from playwright.sync_api import expect
from small import small

import mlops_nb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyterlab_process import Lab
    from playwright.sync_api import Page

KOREAN = Path(mlops_nb.__file__).parent / "locale/ko_KR/LC_MESSAGES/mlops_nb.json"
SHOWN = {
    "pipeline": ("백그라운드 실행", "점검 결과", "다음 백그라운드 실행의 매개변수"),
    "runs": ("완료",),
    "jobs": ("아직 작업이 없습니다", "노트북 승격"),
    "models": ("아직 모델이 없습니다",),
}
SPOKEN = """panel => [panel.innerText, ...[...panel.querySelectorAll('*')].flatMap(node =>
    ['title', 'aria-label', 'placeholder'].map(name => node.getAttribute(name) ?? ''))]"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    root, home = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("home")
    with started(root, home, language="ko_KR") as lab:
        yield lab


def test_all_four_tabs_are_korean(page: Page, lab: Lab) -> None:
    (lab.root / ".git").mkdir()
    path = small(lab.root / "small.ipynb")
    words = [sys.executable, "-m", "mlops_nb", "run", path.name, "--json"]
    subprocess.run(words, cwd=lab.root, check=True, capture_output=True)
    panel = Panel(page, lab, path.name)
    expect(panel.name("train")).to_have_attribute("aria-label", "train: 실행 안 됨", timeout=OPEN)
    english = [name for name in json.loads(KOREAN.read_text("utf-8")) if re.search("[a-z] ", name)]
    for tab, texts in SHOWN.items():
        panel.show(tab)
        for text in texts:
            expect(panel.node).to_contain_text(text, timeout=OPEN)
        said = panel.node.evaluate(SPOKEN)
        assert [name for name in english if any(name in one for one in said)] == [], tab
        panel.picture(f"korean-{tab}")
