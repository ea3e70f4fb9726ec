"""The git commit of a project."""

import subprocess
from pathlib import Path

ANSWER_WITHIN = 10.0  # s


def of(root: Path) -> str:
    """Return a project's commit, with `-dirty` if files differ from it; "" outside of git."""
    if not (root / ".git").exists():
        return ""
    words = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude", "*"]
    try:
        done = subprocess.run(
            words, cwd=root, capture_output=True, text=True, check=False, timeout=ANSWER_WITHIN
        )
    except (OSError, subprocess.TimeoutExpired):  # git is missing or too slow
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
