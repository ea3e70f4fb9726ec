"""Replaces personal values by pseudonyms: a keyed hash, whose key stays in .mlops/."""

import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
from pathlib import Path
from typing import Any

from mlops_nb import files
from mlops_nb.errors import MlopsError

NAME = "predictions.key"
LENGTH = 32  # hex digits of a pseudonym
KEY = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Pseudonyms:
    """Makes the pseudonyms of a project, with a key that is made when it is first needed.

    Without the key nobody can compute the pseudonym of a value. Who has the key can, by trying.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / NAME
        self.key = b""

    def of(self, value: Any) -> str | None:
        """Return the pseudonym of a value, None for None: 32 hex digits of an HMAC-SHA256.

        A value has the pseudonym of its text: 7, 7.0 and "7" have the same.
        """
        if value is None:
            return None
        if not self.key:
            self.key = read_or_make(self.file)
        made = hmac.new(self.key, text_of(value).encode("utf-8", "surrogatepass"), hashlib.sha256)
        return made.hexdigest()[:LENGTH]


def text_of(value: Any) -> str:
    """Return the text by which a value is known, whatever type it has in a request.

    >>> text_of(7), text_of(7.0), text_of("7"), text_of(True)
    ('7', '7', '7', 'true')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def read_or_make(file: Path) -> bytes:
    """Return the key of a project; make one if there is none.

    Of several processes that make one at the same time, all get the same.

    Raises MlopsError if the file holds no key.
    """
    if not file.exists():
        _make(file)
    text = file.read_text(encoding="ascii", errors="replace").strip()
    if not KEY.fullmatch(text):
        raise MlopsError(
            f"{NAME} holds no key, and pseudonyms cannot be made",
            fix="restore it from a copy; without it, remove it: values get other pseudonyms then",
            where=str(file),
        )
    return bytes.fromhex(text)


def _make(file: Path) -> None:
    """Write a new key under a temporary name, and give it its own if there is none."""
    handle, part = tempfile.mkstemp(dir=file.parent, prefix=f".{NAME}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as opened:
            opened.write(f"{secrets.token_hex(32)}\n")
            opened.flush()
            os.fsync(opened.fileno())
        os.chmod(part, files.mode_of(file) & 0o660)
        try:
            os.link(part, file)  # fails where another process was faster
        except FileExistsError:
            return
    finally:
        Path(part).unlink()
