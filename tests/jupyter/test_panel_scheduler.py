"""The panel's button that starts a scheduler: a process of its own, once."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import psutil
import pytest
from small import small


async def test_a_scheduler_starts_once_and_is_no_child_of_the_server(jp_fetch, jp_root_dir: Path):
    (jp_root_dir / ".git").mkdir()
    small(jp_root_dir / "small.ipynb")

    async def start() -> Any:
        body = json.dumps({"path": "small.ipynb", "action": "scheduler", "arguments": {}})
        found = await jp_fetch("mlops-nb", "api", "commands", method="POST", body=body)
        now = json.loads(found.body)
        while now["status"] is None:
            query = {"command": now["command"], "answers": "0"}
            found = await jp_fetch("mlops-nb", "api", "commands", params=query, request_timeout=120)
            now = json.loads(found.body)
        return now["answers"][-1]

    answer = await start()
    process = psutil.Process(answer["pid"])
    try:
        assert process.cmdline()[-2:] == ["mlops_nb", "scheduler"]
        assert Path(process.cwd()) == jp_root_dir
        assert os.getsid(process.pid) == process.pid
        assert psutil.Process() not in process.parents() or process.ppid() == 1
        found = await jp_fetch("mlops-nb", "api", "project", params={"path": "small.ipynb"})
        assert json.loads(found.body)["scheduler_runs"]
        again = await start()
        assert "was seen" in again["error"]["what"]
        log = await asyncio.to_thread(Path(answer["log"]).read_text)
        assert "scheduler: leading" in log
    finally:
        process.terminate()
        await asyncio.to_thread(psutil.wait_procs, [process], 30)


async def test_a_scheduler_that_cannot_start_says_why(tmp_path: Path, monkeypatch):
    from mlops_nb.errors import Refused
    from mlops_nb.project import open_project

    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"))
    (tmp_path / "broken" / "mlops_nb").mkdir(parents=True)
    (tmp_path / "broken" / "mlops_nb" / "__init__.py").write_text("raise SystemExit('no way')")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / ".git").mkdir()
    with pytest.raises(Refused, match="ended at once: no way"):
        await asyncio.to_thread(open_project(tmp_path / "project").start_scheduler)
