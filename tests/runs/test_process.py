"""Processes are identified by pid and start time, so that a reused pid is another process."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from mlops_nb.runs import process


@contextmanager
def sleeper(program: str | Path = sys.executable) -> Iterator[subprocess.Popen]:
    code = "print(flush=True); import time; time.sleep(60)"
    with subprocess.Popen([program, "-c", code], stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        yield child
        child.kill()


def as_named(pid: int) -> process.Process:
    return pid, f"{process.mine()[1].partition(' ')[0]} {process._started(pid)}"


def test_this_process_is_on_this_machine_and_alive():
    assert process.mine() == process.mine()
    assert process.is_here(process.mine())
    assert process.lives(process.mine())


def test_a_program_name_may_contain_brackets_and_spaces(tmp_path):
    odd = tmp_path / "a) R 1 (b"
    odd.symlink_to(sys.executable)
    with sleeper(odd) as child:
        assert process.lives(as_named(child.pid))


def test_a_zombie_counts_as_gone():
    with sleeper() as child:
        known = as_named(child.pid)
        assert process.lives(known)
        child.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
        assert process.is_gone(known)
        child.wait()
        assert process.is_gone(known)


def test_has_gone_waits_for_the_end_of_a_process():
    with sleeper() as child:
        known = as_named(child.pid)
        assert not process.has_gone(known, 0.1)
        threading.Timer(0.3, child.kill).start()
        assert process.has_gone(known, 60)
    pid, mark = known
    assert not process.has_gone((pid, mark.replace(mark.split()[0], "elsewhere")), 60)


def test_a_process_with_the_same_pid_is_another_process():
    pid, mark = process.mine()
    host, boot, since = mark.split(" ")
    assert process.is_gone((pid, f"{host} {boot} {int(since) + 1}"))
    assert process.is_gone((pid, f"{host} another-boot {since}"))
    assert not process.is_gone((pid, f"elsewhere {boot} {since}"))


def test_the_stored_form_of_an_earlier_version_is_read():
    pid, mark = process.mine()
    since = f"{psutil.Process().create_time():.2f}"
    assert process.lives((pid, f"{mark.partition(' ')[0]} {since}"))
    assert process.is_gone((pid, f"{mark.partition(' ')[0]} 1.00"))


def test_end_signals_only_the_same_process():
    with sleeper() as child:
        pid, mark = as_named(child.pid)
        assert not process.end((pid, f"{mark}0"))
        assert child.poll() is None
        assert process.end((pid, mark))
        assert child.wait() == -signal.SIGTERM
        assert not process.end((pid, mark))
