"""Decides whether a recorded result is up to date, with the reason as a sentence."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Record = Mapping[str, Any]
# what of a record decides, with the files, what a unit leaves behind
DECIDES = (
    "unit",
    "code",
    "parameters",
    "reads",
    "channels",
    "generators",
    "folders",
    "variables",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """The state of everything that a unit may depend on, just before it runs.

    code:        a function of the names that were read → sha256 of the code behind the unit
    environment: digest of interpreter and packages
    parameters:  every parameter's value
    reads:       a function of names → digests of all that can be reached from them
    channels:    hidden channel → digest of its last change; "" if it was never changed
    generators:  random generator → digest of its state; "" if that is not known
    file, folder, variable: path or name → how it differs from its record, or ""
    at:          the time
    """

    code: Callable[[Iterable[str]], str]
    environment: str
    parameters: Mapping[str, Any]
    reads: Callable[[Iterable[str]], Mapping[str, str]]
    channels: Mapping[str, str]
    generators: Mapping[str, str]
    file: Callable[[str, Mapping[str, Any]], str]
    folder: Callable[[str, str], str]
    variable: Callable[[str, str], str]
    at: datetime
    snapshots: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The decision on a unit: whether its result is up to date, why, and the record used."""

    up_to_date: bool
    because: str
    record: Record = field(default_factory=dict)


def judge(name: str, records: Sequence[Record], now: Now) -> Answer:
    """Return whether one of the records of a unit, newest first, is up to date."""
    if not records:
        return Answer(up_to_date=False, because=f"`{name}` must run: it was never run here before")
    reasons: list[tuple[int, str]] = []
    for record in records:
        stage, why = objection(record, now)
        if not why:
            return Answer(
                up_to_date=True,
                because=f"`{name}` is up to date: {grounds(record, now)}",
                record=record,
            )
        reasons.append((stage, why))
    furthest = max(stage for stage, _ in reasons)  # the record that differs least
    why = next(text for stage, text in reasons if stage == furthest)
    return Answer(up_to_date=False, because=f"`{name}` must run: {why}")


def objection(record: Record, now: Now) -> tuple[int, str]:
    """Return how far a record agrees, and why it is out of date, "" if it is not."""
    never = str(record["never"]) if record["never"] and not _is_snapshot(record, now) else ""
    checks: tuple[Callable[[], str], ...] = (
        lambda: _environment(record, now),
        lambda: "" if record["code"] == now.code(record["names"]) else "its code changed",
        lambda: _parameters(record, now),
        lambda: never,
        lambda: _inputs(record, now),
        lambda: _outside(record, now),
    )
    for stage, check in enumerate(checks):
        if why := check():
            return stage, why
    return len(checks), ""


def _environment(record: Record, now: Now) -> str:
    if record["environment"] == now.environment:
        return ""
    return "the environment changed (a package or the interpreter)"


def _parameters(record: Record, now: Now) -> str:
    for name, value in record["parameters"].items():
        if name not in now.parameters:
            return f"parameter `{name}` is gone"
        if now.parameters[name] != value or type(now.parameters[name]) is not type(value):
            return f"parameter `{name}` {value!r} → {now.parameters[name]!r}"
    return ""


def _inputs(record: Record, now: Now) -> str:
    reads, now_reads = record["reads"], now.reads(record["names"])
    for name in sorted(reads.keys() | now_reads.keys()):
        was, is_now = reads.get(name, ""), now_reads.get(name, "")
        if was != is_now:
            return f"its input `{name}` is another value"
    for channel, token in record["channels"].items():
        if now.channels.get(channel, "") != token:
            return f"{channel} was changed in another way"
    for generator, state in record["generators"].items():
        if not state or now.generators.get(generator, "") != state:
            kind = generator.partition(":")[2]
            return f"it draws from the generator of {kind}, whose state is not known (seed it)"
    return ""


def _outside(record: Record, now: Now) -> str:
    for path, stamp in {**record["files"], **record["modules"], **record["written"]}.items():
        if why := now.file(path, stamp):
            return why
    for path, listing in record["folders"].items():
        if why := now.folder(path, listing):
            return why
    for name, digest in record["variables"].items():
        if why := now.variable(name, digest):
            return why
    return ""


def _is_snapshot(record: Record, now: Now) -> bool:
    age = record.get("snapshot")
    return bool(
        now.snapshots and age is not None and record["external"] and _age(record, now) <= float(age)
    )


def _age(record: Record, now: Now) -> float:
    return (now.at - datetime.fromisoformat(record["at"])).total_seconds()


def grounds(record: Record, now: Now) -> str:
    """Return in words what was checked and found unchanged."""
    if record["never"]:
        rows = next((v["schema"]["rows"] for v in record["values"].values() if "schema" in v), None)
        counted = "" if rows is None else f", {rows:,} rows"
        return f"a snapshot of {_ago(_age(record, now))} ago{counted}"
    parts = ["code"]
    for key, word in (("parameters", "parameter"), ("inputs", "input"), ("files", "file")):
        if record[key]:
            parts.append(f"{len(record[key])} {word}{'s' if len(record[key]) > 1 else ''}")
    return f"{', '.join(parts)} and environment unchanged"


def _ago(seconds: float) -> str:
    for size, word in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {word}"
    return f"{seconds:.0f} seconds"


def token(record: Record) -> str:
    """Return a digest of everything that decides what a unit leaves behind.

    A unit that is never reused has another one each time it runs.
    """
    kinds = ("files", "modules", "written")
    stamps = {path: stamp for kind in kinds for path, stamp in record.get(kind, {}).items()}
    parts = [
        *(record.get(key) for key in DECIDES),
        {path: stamp.get("sha256", "") for path, stamp in stamps.items()},
        record["at"] if record.get("never") else "",
    ]
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
