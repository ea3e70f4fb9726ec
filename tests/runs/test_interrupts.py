"""An interrupt inside the locks of the standard library ends a sweep all the same."""

import json
import signal
import subprocess
import sys
import threading

import pytest
from small import ENDLESS, small

from mlops_nb.runs.interrupts import deferred

ENDS_WITHIN = 60  # s; the last point would take ten minutes
SWEEP = """
import json, os, signal, sys

number, function = json.loads(sys.argv[1])
submitted = 0


def interrupt(*_):
    raise KeyboardInterrupt


def called(frame, event, arg):
    return returned if "concurrent/futures" in frame.f_code.co_filename else None


def returned(frame, event, arg):
    global submitted
    if event == "return":
        submitted += frame.f_code.co_name == "submit"
        if submitted == 3 and frame.f_code.co_name == function:  # after a point
            sys.settrace(None)
            os.kill(os.getpid(), number)  # the handler runs before the caller goes on
    return returned


if __name__ == "__main__":
    from mlops_nb.project import open_project

    signal.signal(number, interrupt)
    sys.settrace(called)
    done = open_project(".").sweep("n.ipynb", {"depth": [2, 3]}, workers=1)
    print(json.dumps([done.status, [run.status for run in done.runs]]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("function", ["submit", "__enter__"])  # of a pool; of the locks of `wait`
def test_a_sweep_ends_wherever_the_signal_comes(tmp_path, number, function):
    (tmp_path / ".git").mkdir()
    small(tmp_path / "n.ipynb", train=ENDLESS)
    done = subprocess.run(
        [sys.executable, "-c", SWEEP, json.dumps([number, function])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    status, (first, *rest) = json.loads(done.stdout)
    assert (status, first) == ("stopped", "finished")
    assert set(rest) <= {"stopped"}  # none if the last point had not begun


@pytest.fixture
def handlers():
    """Handle signals as a process does that a person has started: a test may be run by another."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_is_deferred_to_the_next_check_and_handlers_come_back(handlers):
    for number in (signal.SIGINT, signal.SIGTERM):
        with deferred() as interrupts:
            interrupts.check()
            signal.raise_signal(number)
            with pytest.raises(KeyboardInterrupt):
                interrupts.check()
            interrupts.check()
        assert signal.getsignal(number) is signal.default_int_handler
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


def test_a_deferral_inside_another_one_sees_what_came_before(handlers):
    with deferred() as outer:
        signal.raise_signal(signal.SIGINT)
        with deferred() as inner:
            assert inner is outer
            with pytest.raises(KeyboardInterrupt):
                inner.check()
        signal.raise_signal(signal.SIGINT)  # it is deferred still
        assert outer.came


def test_a_process_that_a_signal_ends_or_leaves_alone_stays_as_it_was(handlers):
    for_all = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.SIG_IGN}
    for number, handler in for_all.items():
        signal.signal(number, handler)
    with deferred():
        assert {n: signal.getsignal(n) for n in for_all} == for_all


def test_another_thread_changes_no_handler(handlers):
    found = []

    def look():
        with deferred():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGINT)]
