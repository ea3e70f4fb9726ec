"""Starts a JupyterLab of its own: free port, own token, no setting shared with anybody."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START, STOP = 90, 20  # s
QUIET_SETTINGS = {"fetchNews": "false", "checkForUpdates": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """A running JupyterLab: where it answers, and the folder that it shows."""

    port: int
    token: str
    root: Path

    def url(self, notebook: str, place: str = "lab/tree") -> str:
        """Answer the address that opens one notebook in a fresh workspace."""
        return f"http://127.0.0.1:{self.port}/{place}/{notebook}?token={self.token}&reset"


@contextmanager
def started(
    root: Path,
    home: Path,
    *,
    language: str = "",
    lab: Lab | None = None,
    python: str = sys.executable,
    app: str = "lab",
) -> Iterator[Lab]:
    """Show `root` in a JupyterLab that keeps all its own files in `home`.

    python: of the environment that JupyterLab is in
    app:    lab, or notebook for Notebook 7
    lab:    the one before, which has ended and whose address the new one has
    """
    lab = lab or Lab(port=_free_port(), token=secrets.token_hex(8), root=root)
    _set(home, "apputils-extension", "notification", QUIET_SETTINGS)
    if language:
        _set(home, "translation-extension", "plugin", {"locale": language})
    with subprocess.Popen(
        [python, *_command(lab, app)],
        env=_environment(home),
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        log = Log(process.stdout)
        try:
            log.await_line("is running at")
            _await_port(lab.port)  # it listens a moment after it says so
            yield lab
        finally:
            process.terminate()
            try:
                process.wait(STOP)
            except subprocess.TimeoutExpired:
                process.kill()
            log.join(STOP)


def _set(home: Path, extension: str, plugin: str, settings: dict[str, object]) -> None:
    folder = home / "settings" / "@jupyterlab" / extension
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{plugin}.jupyterlab-settings").write_text(json.dumps(settings))


class Log(threading.Thread):
    """Reads a process's output to its end, and tells when a line has come."""

    def __init__(self, stream: IO[str]) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._lines: list[str] = []
        self._grown = threading.Condition()
        self._ended = False
        self.start()

    def run(self) -> None:
        for line in self._stream:
            with self._grown:
                self._lines.append(line)
                self._grown.notify_all()
        with self._grown:
            self._ended = True
            self._grown.notify_all()

    def await_line(self, text: str) -> None:
        """Return when a line with `text` has come; fail with the log if it does not."""
        with self._grown:
            self._grown.wait_for(lambda: self._ended or self._has(text), START)
            if not self._has(text):
                pytest.fail(f"JupyterLab did not start:\n{''.join(self._lines)}")

    def _has(self, text: str) -> bool:
        return any(text in line for line in self._lines)


def _await_port(port: int) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail(f"JupyterLab does not listen on port {port}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _command(lab: Lab, app: str) -> list[str]:
    return [
        "-m",
        "jupyter",
        app,
        "--no-browser",
        "--allow-root",
        f"--{'LabApp' if app == 'lab' else 'JupyterNotebookApp'}.expose_app_in_browser=True",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={lab.port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={lab.root}",
        f"--IdentityProvider.token={lab.token}",
    ]


def _environment(home: Path) -> dict[str, str]:
    own = {
        "HOME": "",
        "IPYTHONDIR": "ipython",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    return os.environ | {name: str(home / folder) for name, folder in own.items()}
