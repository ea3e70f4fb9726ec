"""Minutes of load: releases, rollbacks and killed parts under it; nothing lost, memory flat.

`MLOPS_NB_SOAK=1800` makes it half an hour.
"""

import http.client
import itertools
import os
import random
import threading
import time
from typing import Self

import psutil
import pytest
from bank import ROW, Served, logged, retrained, some_rows, until
from bank import bank as make_bank

SECONDS = float(os.environ.get("MLOPS_NB_SOAK", "120"))
CALLERS, PAUSE = 4, 0.04  # s between the requests of a caller: other tests run beside
MOST_GROWTH = 30 * 2**20  # bytes, of all processes together, after the first third


class Callers:
    """Threads that send a varied row at a time until stopped."""

    def __init__(self, served: Served) -> None:
        self.served, self.stopped = served, threading.Event()
        self.answered: dict[str, int] = {}  # request id → version
        self.failed: list[tuple[int, object]] = []
        self.threads = [threading.Thread(target=self.call, args=(n,)) for n in range(CALLERS)]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def call(self, seed: int) -> None:
        draw = random.Random(seed)
        for number in itertools.count():
            if self.stopped.wait(PAUSE * draw.random() * 2):
                return
            name = f"{seed}-{number}"
            (row,) = some_rows(1, draw.randrange(10**9))
            try:
                status, answer = self.served.predict(row, request_ids=[name])
            except (OSError, http.client.HTTPException) as error:
                status, answer = 0, error  # the front was killed
            if status == 200:
                self.answered[name] = answer["model_version"]
            else:
                self.failed.append((status, answer))


def answers(served: Served) -> bool:
    """Return whether a server answers; one that was killed does not."""
    try:
        return served.predict(ROW)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def memory(served: Served) -> int:
    """Return the memory of the server, its fronts and its versions, bytes."""
    parts = [psutil.Process(served.process.pid), *served.parts]
    return sum(part.memory_info().rss for part in parts if part.is_running())


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    made = make_bank(tmp_path_factory.mktemp("load"))
    retrained(made, "0.1")
    return made


def test_under_minutes_of_load_nothing_is_lost_and_memory_stays(bank):
    # no server of MLflow is there: serving asks none
    served = Served(bank, "--workers", "2", MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    began, sizes, version = time.monotonic(), [], itertools.cycle((1, 2))
    with Callers(served) as callers:
        while time.monotonic() - began < SECONDS:
            assert bank.type("rollback", "credit", "--to", str(next(version))).status == 0
            time.sleep(SECONDS / 24)
            sizes.append(memory(served))
    assert callers.failed == []
    assert set(callers.answered.values()) == {1, 2}
    third = len(sizes) // 3
    assert max(sizes[-third:]) - max(sizes[third : 2 * third]) < MOST_GROWTH, sizes
    assert "Traceback" not in served.stop()
    log = logged(bank).set_index("request_id")
    assert log.index.is_unique
    assert log.loc[list(callers.answered), "model_version"].to_dict() == callers.answered


def test_killed_parts_fail_only_what_they_were_answering(bank):
    served = Served(bank, "--workers", "2")
    with Callers(served) as callers:
        for word in ("-c", "mlops_nb.serving.front") * 2:
            victim = next(p for p in served.parts if word in p.cmdline())
            victim.kill()
            time.sleep(1)
            until(lambda: all(answers(served) for _ in range(8)))  # either front
    errors = [status for status, _ in callers.failed]
    assert len(errors) <= 4 * CALLERS
    assert set(errors) <= {0, 503}
    assert len(callers.answered) > 100
    served.stop()
    log = logged(bank)
    wanted = [name for name in callers.answered if name not in set(log["request_id"])]
    assert len(wanted) < 4 * 25 * CALLERS  # a killed front loses at most its last second
