"""What every event has."""

from msgspec import Struct


class Event(Struct, frozen=True, kw_only=True):
    """Something that happened. `at` is filled in by the journal: ISO time, UTC."""

    run: str = ""
    job: str = ""
    at: str = ""
    id: int = 0
