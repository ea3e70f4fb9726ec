"""Installs the scheduler as a systemd service of the user, so that it starts with the machine."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from mlops_nb import files
from mlops_nb.context import Context
from mlops_nb.errors import Refused

UNIT = """# Written by `mlops-nb scheduler --install`.
[Unit]
Description=mlops-nb scheduler of {root}
After=network.target

[Service]
Type=exec
WorkingDirectory={root}
ExecStart={command}
Environment={path}
Restart=always
RestartSec=5
# runs continue while the scheduler restarts
KillMode=process

[Install]
WantedBy=default.target
"""
ANSWER_WITHIN = 60.0  # s


def unit(root: Path, python: str, path: str, workers: int | None) -> str:
    """Return the text of a service that runs a project's scheduler.

    >>> "ExecStart=/usr/bin/python3 -m mlops_nb scheduler" in unit(Path("/a"), "/usr/bin/python3",
    ...                                                            "/bin", None)
    True
    """
    words = [python, "-m", "mlops_nb", "scheduler"]
    words += [] if workers is None else ["--workers", str(workers)]
    return UNIT.format(
        root=str(root).replace("%", "%%"),
        command=" ".join(map(_quoted, words)),
        path=_quoted(f"PATH={path}", always=True),
    )


def _quoted(word: str, *, always: bool = False) -> str:
    """Quote a word for systemd, which knows % and $ besides quotes and backslashes.

    >>> _quoted("/a b/100%")
    '"/a b/100%%"'
    """
    found = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return found if re.fullmatch(r"[\w@%+=:,./-]+", found) and not always else f'"{found}"'


def install(ctx: Context, workers: int | None = None) -> dict[str, Any]:
    """Write the service, have systemd verify it, and return what is left to type.

    Raises Refused if systemd rejects it; the file is as before then.
    """
    home = ctx.environment.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    mark = hashlib.sha256(str(ctx.root).encode()).hexdigest()[:6]
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", ctx.root.name) or "project"
    file = Path(home) / "systemd" / "user" / f"mlops-nb-{name}-{mark}.service"
    text = unit(ctx.root, sys.executable, ctx.environment.get("PATH", os.defpath), workers)
    before = file.read_text(encoding="utf-8") if file.exists() else None
    files.write_text(file, text)
    verified, problems = _verified(file)
    if not verified and problems:
        file.unlink() if before is None else files.write_text(file, before)
        raise Refused(
            f"systemd rejects the service: {problems}",
            fix="start it by hand: mlops-nb scheduler",
            where=str(file),
        )
    commands = [f"systemctl --user enable --now {file.name}", "loginctl enable-linger"]
    return {"version": 1, "unit": str(file), "verified": verified, "commands": commands}


def _verified(file: Path) -> tuple[bool, str]:
    """Return whether systemd accepts a unit, and its message if not; "" without systemd."""
    tool = shutil.which("systemd-analyze")
    if tool is None:
        return False, ""
    with (
        tempfile.TemporaryDirectory() as runtime
    ):  # systemd-analyze needs one, which some machines do not set
        done = subprocess.run(
            [tool, "verify", "--user", "--man=no", str(file)],
            capture_output=True,
            text=True,
            check=False,
            timeout=ANSWER_WITHIN,
            env={"XDG_RUNTIME_DIR": runtime, **os.environ},
        )
    # unknown settings are only warnings
    problems = [line for line in done.stderr.splitlines() if file.name in line or done.returncode]
    return (
        (False, "; ".join(problems)[:500] or "it failed")
        if problems or done.returncode
        else (True, "")
    )
