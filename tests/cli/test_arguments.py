"""No argument of a process of ours holds a secret, the environment, or a parameter's value.

Every user of a machine can read the arguments of all its processes.
"""

import contextlib
import os
import threading
import time
from typing import Self

import psutil
import pytest
from saved import project
from small import small

EVERY = 0.005  # s


class Watch:
    """Reads the arguments of all processes that begin while it watches, again and again."""

    def __init__(self) -> None:
        self.seen: set[tuple[int, tuple[str, ...]]] = set()
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ends.set()
        self.thread.join()

    def _look(self) -> None:
        while not self.ends.is_set():
            for pid in psutil.pids():
                with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
                    words = file.read().decode(errors="replace").split("\0")
                    self.seen.add((pid, tuple(words)))
            time.sleep(EVERY)


@pytest.mark.skipif(
    not os.path.isdir("/proc/self"), reason="this system has no /proc, which the test reads"
)
def test_no_process_of_a_run_a_promotion_a_sweep_or_a_schedule_has_a_secret(tmp_path):
    terminal = project(tmp_path, "arguments")
    small(terminal.folder / "small.ipynb")
    secret, depth = f"secret-{os.getpid()}-never-an-argument", "81726354"
    told = {"PASSWORD_OF_THE_TEST": secret, "TMPDIR": str(tmp_path)}
    commands = (
        ("run", "small.ipynb", "-p", "depth", depth),
        ("sweep", "small.ipynb", "-g", f"depth={depth},3", "--workers", "2"),
        (
            *("promote", "small.ipynb", "--name", "small", "--schedule", "0 3 * * *"),
            *("--secret", "PASSWORD_OF_THE_TEST", "-p", "depth", depth),
        ),
        ("trigger", "small", "-p", "depth", depth),
        ("scheduler", "--once", "--at", "2030-01-01T04:00"),
    )
    typed = []
    with Watch() as watch:
        for words in commands:
            answer = terminal.type(*words, **told)
            assert answer.status == 0, (words, answer.stderr)
            typed.append(words)
    started = [words for _, words in watch.seen]
    assert len(started) > len(commands)
    assert [words for words in started if secret in "\0".join(words)] == []
    own = {"\0".join(words) for words in typed}  # what the user types holds the values given
    theirs = [w for w in started if depth in "\0".join(w)]
    assert [w for w in theirs if not any(one in "\0".join(w) for one in own)] == []
