"""Says of a package what callers must send, and how large its prediction log becomes."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from mlops_nb.models.package import Package
from mlops_nb.serving.prediction_table import Mask, Rows, table_of
from mlops_nb.serving.pseudonyms import LENGTH, text_of
from mlops_nb.serving.settings import PredictionSettings, ServingNotes

A_DAY = 1_000_000  # answers; the size of the log is estimated for them
DAYS = 30  # of a month
GB = 1e9
START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
SECONDS = 86_400.0


SHOWN = 12  # columns that callers send, which are named
KINDS = {
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "text": "text",
    "time": "time",
    "category": "category",
    "other": "value",
}


def notes(about: Mapping[str, Any], settings: PredictionSettings) -> ServingNotes:
    """Return the notes on a package. about: signature and golden answers."""
    signature = about["signature"]
    return ServingNotes(
        callers=callers(signature),
        columns=columns_by_kind(signature),
        log=sentence(about, settings),
    )


def callers(signature: Mapping[str, Any]) -> str:
    """Return in words which columns callers must send.

    >>> callers({"columns": [{"name": "age", "kind": "int"}, {"name": "city", "kind": "text"}]})
    'age (whole number), city (text)'
    """
    columns = [f"{c['name']} ({_kind(c)})" for c in signature["columns"]]
    more = len(columns) - SHOWN
    rest = f", and {more} more: MODEL_CARD.md and GET /openapi.json of the server name all"
    return ", ".join(columns[:SHOWN]) + rest * (more > 0)


def columns_by_kind(signature: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the names of all columns that callers must send, by their kind in words."""
    found: dict[str, tuple[str, ...]] = {}
    for column in signature["columns"]:
        found[_kind(column)] = (*found.get(_kind(column), ()), column["name"])
    return found


def _kind(column: Mapping[str, Any]) -> str:
    """Return in words what a column takes.

    >>> _kind({"name": "age", "kind": "int", "missing": True})
    'whole number or null'
    """
    words = KINDS.get(column["kind"], str(column["kind"]))
    return f"{words}{' or null' * bool(column.get('missing'))}"


def sentence(about: Mapping[str, Any], settings: PredictionSettings) -> str:
    """Return in words how large the log of a model becomes, "" if no answers are known.

    about: signature and golden answers
    """
    found = bytes_of_row(about["signature"], about["golden"], settings)
    if found is None:
        return ""
    month = found * A_DAY * DAYS * settings.sample / GB
    sampled = f", of which {settings.sample:.3g} are logged" if settings.sample < 1 else ""
    return (
        f"about {month:.2g} GB a month at 1 million answers a day{sampled} "
        f"({found:.0f} bytes a row), kept for {settings.keep}"
    )


def bytes_of_row(
    signature: Mapping[str, Any], golden: Mapping[str, Any], settings: PredictionSettings
) -> float | None:
    """Return the size of a logged row, bytes, written as Parquet in memory; None without rows."""
    rows = golden["rows"]
    if not rows:
        return None
    package = Package(
        folder=Path(),
        model="",
        version=1,
        python="",
        signature=signature,
        independent=True,
        golden=golden,
        about={},
    )
    asked = {name: [row.get(name) for row in rows] for name in rows[0]}
    made = Rows(
        version=1,
        ids=[_digest(str(n)) for n in range(len(rows))],
        times=[START + n * SECONDS / A_DAY for n in range(len(rows))],
        seconds=[0.001 * (1 + n / 997) for n in range(len(rows))],
        answers=[(golden, asked)],
    )
    table = table_of(package, [made], Mask(settings=settings, pseudonym=_pseudonym))
    return (_size(table) - _size(table.slice(0, 0))) / len(rows)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]


def _pseudonym(value: Any) -> str | None:
    """Return a text as long as a pseudonym; no key is made for an estimate."""
    return None if value is None else _digest(text_of(value))


def _size(table: Any) -> int:
    import pyarrow.parquet as pq

    made = BytesIO()
    pq.write_table(table, made)
    return len(made.getvalue())
