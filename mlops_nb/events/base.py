"""What every event has."""

from mlops_nb.records import Noun, noun


@noun
class Event(Noun):
    """Something that happened. `at` is filled in by the journal: ISO time, UTC."""

    run: str = ""
    job: str = ""
    at: str = ""
    id: int = 0
