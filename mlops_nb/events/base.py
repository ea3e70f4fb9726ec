"""The base of all events."""

from msgspec import Struct


class Event(Struct, frozen=True, kw_only=True):
    """An event. The journal fills in `at`, an ISO time in UTC, and `id`."""

    run: str = ""
    job: str = ""
    at: str = ""
    id: int = 0
