"""Small disks, which can be full or read-only: of a folder, or of .mlops of a project."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typing_in import Terminal

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mount") or not shutil.which("setpriv"),
    reason="needs root, mount and setpriv",
)


def mount(folder: Path, size: str, *options: str) -> None:
    """Mount a disk at a folder, or skip the test; size: such as 64k."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip(f"needs root and mount, to make a disk of {size}")
    given = ",".join((f"size={size}", *options))
    words = ["mount", "-t", "tmpfs", "-o", given, "tmpfs", str(folder)]
    if subprocess.run(words, check=False).returncode:
        pytest.skip("this machine does not let root mount a tmpfs")


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """Make a folder with a disk of its own; size: such as 64k."""
    folder.mkdir()
    mount(folder, size)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


class Disk:
    """A small disk of its own under .mlops of a project."""

    def __init__(self, terminal: Terminal) -> None:
        self.place = terminal.folder / ".mlops"
        kept = shutil.move(self.place, terminal.folder / "kept")
        self.place.mkdir(mode=0o700)
        mount(self.place, "32m", "mode=0700")
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
