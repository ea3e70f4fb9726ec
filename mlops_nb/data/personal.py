"""Finds columns of personal data by their names and values, and masks them in example rows."""

import re
from collections.abc import Iterable
from typing import Any

HIDDEN = "hidden"  # instead of a text
NAMES = re.compile(
    r"""(?:^|[_\W])(?:e?mail|phone|telephone|mobile|fax|ssn|passport|iban|birth\w*|dob|address
    |street|postcode|zip|ip|surname|(?:first|last|full|given|family|user|middle)?[_ ]?name)
    (?:$|[_\W])""",
    re.VERBOSE | re.IGNORECASE,
)
EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
PHONE = re.compile(r"\+\d[\d ()./-]{6,}\d")
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b")
CARD = re.compile(r"\b\d(?:[ -]?\d){12,18}\b")


def is_named_so(column: str) -> bool:
    """Return whether the name of a column announces personal data.

    >>> is_named_so("customer_email"), is_named_so("ip"), is_named_so("flights")
    (True, True, False)
    """
    return NAMES.search(column) is not None


def is_personal(text: str) -> bool:
    """Return whether a text contains an address, a phone number, an IBAN or a card number.

    >>> is_personal("write to a@b.org"), is_personal("4539 1488 0343 6467"), is_personal("EWR 12")
    (True, True, False)
    """
    if EMAIL.search(text) or PHONE.search(text):
        return True
    accounts = (re.sub(r"\s", "", found) for found in IBAN.findall(text))
    cards = (re.sub(r"\D", "", found) for found in CARD.findall(text))
    return any(map(_is_account, accounts)) or any(map(_is_card, cards))


def _is_account(text: str) -> bool:
    """Return whether the check digits of an IBAN are right (ISO 7064, modulo 97)."""
    return int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def _is_card(digits: str) -> bool:
    """Return whether the last digit is right by Luhn's formula."""
    twice = (sum(divmod(2 * int(d), 10)) for d in digits[-2::-2])
    return (sum(map(int, digits[::-2])) + sum(twice)) % 10 == 0


def masked(rows: Any) -> tuple[Any, str]:
    """Return rows without the values of personal columns, and a note that names these columns.

    rows: a data frame or series of pandas, an array of numpy, or a list
    """
    if hasattr(rows, "columns"):
        found = [n for n in rows.columns if _is_flagged(str(n), rows[n])]
        shown = rows.assign(**{str(n): _without_values(rows[n]) for n in found}) if found else rows
        return shown, _note(found)
    if hasattr(rows, "dtype") and rows.dtype.kind in "biufcmM":
        return rows, ""
    name = str(getattr(rows, "name", None) or "")
    texts = rows.tolist() if hasattr(rows, "tolist") else list(rows)
    if not is_named_so(name) and not _holds_personal(_flat(texts)):
        return rows, ""
    if hasattr(rows, "iloc"):
        return _without_values(rows), _note([name or "its texts"])
    return [HIDDEN] * len(texts), _note(["its texts"])


def _is_flagged(name: str, column: Any) -> bool:
    return is_named_so(name) or _holds_personal(column.tolist())


def _holds_personal(values: Iterable[Any]) -> bool:
    return any(isinstance(v, str) and is_personal(v) for v in values)


def _flat(values: Iterable[Any]) -> Iterable[Any]:
    for value in values:
        yield from _flat(value) if isinstance(value, list | tuple) else (value,)


def _without_values(column: Any) -> Any:
    """Return a column of the same type with zeros, or a constant text, or nothing."""
    if getattr(column.dtype, "kind", "") in "biuf":
        return column * 0
    if any(isinstance(v, str) for v in column.tolist()) and str(column.dtype) != "category":
        return column.where(column.isna(), HIDDEN)
    return column.iloc[:0].reindex(column.index)


def _note(names: Iterable[Any]) -> str:
    listed = ", ".join(map(str, names))
    return f"; values hidden, as they may be personal: {listed}" if listed else ""
