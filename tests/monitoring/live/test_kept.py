"""Kept sums are read by several threads, in a process that has not read any before."""

import os
import subprocess
import sys

import msgspec

from mlops_nb.monitoring.live.kept import KeptDay
from mlops_nb.monitoring.live.sums import DaySums

READERS = """
import sys, threading
from pathlib import Path
from mlops_nb.monitoring.live.kept import KeptDays
sys.setswitchinterval(1e-6)
kept, found, start = KeptDays(Path(sys.argv[1])), [], threading.Barrier(4)
def read():
    start.wait()
    found.append(kept.get("2026-03-01", "k", lambda: None))
threads = [threading.Thread(target=read) for _ in range(4)]
for one in threads:
    one.start()
for one in threads:
    one.join()
assert len(found) == 4 and all(one == found[0] for one in found), found
print(found[0].day)
"""


def test_threads_that_read_first_at_once_find_the_same(tmp_path):
    made = KeptDay(key="k", sums=DaySums(day="2026-03-01"))
    (tmp_path / "day=2026-03-01.json").write_bytes(msgspec.json.encode(made))
    for _ in range(8):
        words = [sys.executable, "-c", READERS, str(tmp_path)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ)
        assert (done.returncode, done.stdout.strip()) == (0, "2026-03-01"), done.stderr
