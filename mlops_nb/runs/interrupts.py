"""What Ctrl-C and SIGTERM do to a process that leads runs, and to one that runs a task of it."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

NUMBERS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """The signals that came since the last check."""

    def __init__(self) -> None:
        self.came = False

    def note(self, *_: Any) -> None:
        """Handle a signal."""
        self.came = True

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal came."""
        if self.came:
            self.came = False
            raise KeyboardInterrupt


@contextlib.contextmanager
def deferred() -> Iterator[Interrupts]:
    """Note the signals that else raise KeyboardInterrupt at any line, until they are checked.

    Inside another one, it is the same.

    An interrupt inside `concurrent.futures.wait` can leave its locks held, so that the future never
    ends; one inside `submit`, a task that nobody waits for. Both were seen.
    """
    handlers = {number: signal.getsignal(number) for number in NUMBERS}
    outer = [getattr(handler, "__self__", None) for handler in handlers.values()]
    found = next((one for one in outer if isinstance(one, Interrupts)), None)
    if found is not None:
        yield found
        return
    found = Interrupts()
    with _handled(found.note, [n for n, handler in handlers.items() if callable(handler)]):
        yield found


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM raise KeyboardInterrupt in a task of a pool, and not end its process."""

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with _handled(stop, [signal.SIGTERM]):
        yield


@contextlib.contextmanager
def _handled(handler: Callable[..., None], numbers: Sequence[signal.Signals]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # no signals come here
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
