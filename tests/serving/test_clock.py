"""A wall clock that jumps by a day: the log follows it, and nothing that waits does."""

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bank import ROW, Served, logged, some_rows, until
from bank import bank as make_bank

LIBRARIES = sorted(Path("/usr/lib").glob("**/faketime/libfaketimeMT.so.1"))
needs_faketime = pytest.mark.skipif(
    not LIBRARIES, reason="needs libfaketime, such as Debian's package libfaketime"
)
DEADLINE = 2.0  # s


class Clock:
    """The wall clock of processes, which can be set; their monotonic clock goes on."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "clock"
        self.jump(0)
        self.environment = {
            "LD_PRELOAD": str(LIBRARIES[-1]),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",  # of versions of before
        }

    def jump(self, days: int) -> None:
        """Set the clock to some days from now."""
        part = self.file.with_suffix(".part")
        part.write_text(f"{days:+d}d\n")
        part.replace(self.file)


@needs_faketime
def test_a_server_goes_on_and_its_log_follows_the_clock(tmp_path):
    bank, clock = make_bank(tmp_path), Clock(tmp_path)
    served = Served(bank, "--deadline", str(DEADLINE), **clock.environment)
    today = datetime.now(UTC).date()
    wanted = {}
    for days in (0, 1, -1, 0, 2):
        clock.jump(days)
        ids = [f"{len(wanted)}-{n}" for n in range(20)]
        start = time.monotonic()
        for i, row in zip(ids, some_rows(20), strict=True):
            assert served.predict(row, request_ids=[i])[0] == 200
        assert time.monotonic() - start < 10
        wanted |= dict.fromkeys(ids, (today + timedelta(days=days)).isoformat())
    until(lambda: len(logged(bank)) == len(wanted))  # while the clock is ahead
    clock.jump(-1)
    assert served.ask("/health")[0] == 200
    start = time.monotonic()
    errors = served.stop()
    assert time.monotonic() - start < 20
    assert "Traceback" not in errors
    assert "not in the prediction log" not in errors
    found = logged(bank)
    assert (found["seconds"] < 10).all()
    assert (found["seconds"] >= 0).all()
    days = dict(zip(found["request_id"], found["time"].dt.date.astype(str), strict=True))
    assert days == wanted
    folder = bank.folder / ".mlops" / "predictions" / "credit"
    assert {p.name for p in folder.glob("day=*")} == {f"day={day}" for day in wanted.values()}


@needs_faketime
@pytest.mark.parametrize("days", [1, -1])
def test_a_deadline_is_kept_while_the_clock_jumps(tmp_path, days):
    bank, clock = make_bank(tmp_path), Clock(tmp_path)
    served = Served(bank, "--deadline", str(DEADLINE), **clock.environment)
    took = []

    def ask() -> None:
        start = time.monotonic()
        status, _ = served.predict(ROW)
        took.append((status, time.monotonic() - start))

    next(part for part in served.parts if "-c" in part.cmdline()).suspend()
    asking = threading.Thread(target=ask)
    asking.start()
    clock.jump(days)
    asking.join()
    ((status, seconds),) = took
    assert status == 503
    assert DEADLINE <= seconds < DEADLINE + 5
    until(lambda: served.predict(ROW)[0] == 200)
    served.stop()
