"""Gives labels and predictions one form, so that 1, 1.0, "1" and true can be the same class."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

TRUTHS = {"true": 1.0, "false": 0.0}


class AnswerKind(Struct, frozen=True, kw_only=True):
    """What a model answers: numbers, or one of some classes; None: the classes are unknown."""

    is_number: bool
    classes: tuple[Any, ...] | None = None

    @property
    def texts(self) -> tuple[str, ...] | None:
        """The classes as texts, in their order."""
        return None if self.classes is None else tuple(map(_text, self.classes))


def kind_of(answer: Mapping[str, Any]) -> AnswerKind:
    """Return the kind that a model's signature describes."""
    classes = answer.get("classes")
    return AnswerKind(
        is_number=answer["kind"] == "number",
        classes=None if classes is None else tuple(classes),
    )


def class_text(value: Any, classes: Sequence[Any] | None) -> str:
    """Return a value as the text of its class, or as its own text if it is none of them.

    >>> class_text("1.0", [0, 1]), class_text(True, [0, 1]), class_text("yes", [0, 1])
    ('1', '1', 'yes')
    """
    text = _text(value)
    known = {_text(one): _text(one) for one in classes or ()}
    if text in known:
        return known[text]
    number = number_of(value)
    for one in classes or ():
        if number is not None and not isinstance(one, str) and number_of(one) == number:
            return _text(one)
    return text


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def number_of(value: Any) -> float | None:
    """Return a value, or the number in its text, as a finite number; None if it is none.

    >>> number_of("1.0"), number_of("true"), number_of("a")
    (1.0, 1.0, None)
    """
    text = str(value).strip().lower()
    try:
        found = TRUTHS[text] if text in TRUTHS else float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def class_texts(column: Any, kind: AnswerKind) -> Any:
    """Return an Arrow column of classes as texts, nulls as they are."""
    import pyarrow as pa

    encoded = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    encoded = encoded.dictionary_encode()
    values = [class_text(v, kind.classes) for v in encoded.dictionary.to_pylist()]
    if not values:
        return pa.nulls(len(column), pa.string())
    return pa.array(values, pa.string()).take(encoded.indices)


def numbers(column: Any) -> Any:
    """Return an Arrow column as numbers. Raises pyarrow.ArrowInvalid if a value is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    if pa.types.is_string(column.type):
        column = pc.utf8_trim_whitespace(column)
    return column.cast(pa.float64())
