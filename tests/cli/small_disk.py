"""A small disk under .mlops of a project, which can be full or read-only."""

import os
import shutil
import subprocess

import pytest
from typing_in import Terminal

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mount") or not shutil.which("setpriv"),
    reason="needs root, mount and setpriv",
)


class Disk:
    """A small disk of its own under .mlops of a project."""

    def __init__(self, terminal: Terminal) -> None:
        self.place = terminal.folder / ".mlops"
        kept = shutil.move(self.place, terminal.folder / "kept")
        self.place.mkdir(mode=0o700)
        words = ["mount", "-t", "tmpfs", "-o", "size=32m,mode=0700", "tmpfs", str(self.place)]
        if subprocess.run(words, check=False).returncode:
            pytest.skip("this machine does not let root mount a tmpfs")
        shutil.copytree(kept, self.place, dirs_exist_ok=True)
        shutil.rmtree(kept)

    def fill(self) -> None:
        with (self.place / "filler").open("wb") as file:
            for size in (1 << 16, 1):
                try:
                    while True:
                        os.write(file.fileno(), b"x" * size)
                except OSError:
                    continue

    def lock(self) -> None:
        subprocess.run(["mount", "-o", "remount,ro", str(self.place)], check=True)

    def close(self) -> None:
        subprocess.run(["mount", "-o", "remount,rw", str(self.place)], check=True)
        subprocess.run(["umount", str(self.place)], check=True)
