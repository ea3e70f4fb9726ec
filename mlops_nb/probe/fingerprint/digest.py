"""Fingerprints of values: different values have different ones; a value has one in every process.

The standard library alone is imported, nothing of this package's other folders, since this also
runs in kernels that have never heard of it; numpy, pandas and their like are looked up where
they are loaded. `digest` is what is stored, `quick` what is compared after each cell.
"""

import hashlib
import sys
import types
from collections.abc import Callable
from typing import Any

from . import arrays, arrow, frames, functions, objects, stdlib
from .walk import Hash, Rule, Unknown, Walk

__all__ = ["VERSION", "Unknown", "digest", "digest_or_unknown", "quick"]

VERSION = b"mlops-nb/3"
SHORT = 16  # bytes of a quick fingerprint

# by the exact type; kinds that are found by name again are added as they are met
_rules: dict[type, Rule] = {**stdlib.RULES, **functions.RULES}
_derived: dict[type, Rule] = {
    type: functions.RULES[type],
    types.ModuleType: stdlib.RULES[types.ModuleType],
    set: stdlib.RULES[set],
    frozenset: stdlib.RULES[frozenset],
}
_libraries: dict[str, Callable[[type], Rule | None]] = {
    "numpy": arrays.rule,
    "pandas": frames.rule,
    "pyarrow": arrow.rule,
    "polars": arrow.polars,
    "torch": arrays.tensor,
    "matplotlib": objects.drawing,
}


def _find(kind: type) -> Rule:
    """Return how values of a kind are written."""
    rule = _rules.get(kind)
    if rule is None:
        rule = _search(kind)
        if "<locals>" not in kind.__qualname__ and kind.__module__ != "__main__":
            _rules[kind] = rule  # no class of the notebook is kept alive
    return rule


def _search(kind: type) -> Rule:
    for base in kind.__mro__:
        if base in _derived:
            return _derived[base]
        root = str(base.__module__).partition(".")[0]
        ask = _libraries.get(root)
        if ask is not None and root in sys.modules:
            rule = ask(kind)
            if rule is not None:
                return rule
    return objects.OBJECT


def digest(value: Any) -> str:
    """Return the sha256 of a value's content, as hex.

    Raises Unknown for a value whose content cannot be told, such as a generator.

    >>> digest([1, 2]) == digest([1, 2]), digest([1]) == digest((1,)), digest(1) == digest(1.0)
    (True, False, False)
    """
    walk = Walk(hashlib.sha256, _find)
    walk.raw(b"version", VERSION)
    try:
        walk.value(value)
    except RecursionError:
        raise Unknown("nested too deep") from None
    return walk.finish().hex()


def digest_or_unknown(value: Any) -> str:
    """Return a value's digest, "unknown" where its content cannot be told.

    >>> digest_or_unknown(i for i in [1])
    'unknown'
    """
    try:
        return digest(value)
    except Exception:  # noqa: BLE001  Unknown, or whatever the value's own code raises
        return "unknown"


def quick(value: Any) -> bytes | None:
    """Return 16 bytes that tell whether a value changed; None where its content cannot be told.

    It is made with xxh3 where `xxhash` is installed and is compared within one session alone.

    >>> quick([1, 2]) == quick([1, 2]), quick(1) == quick(1.0), quick(i for i in [1])
    (True, False, None)
    """
    try:
        walk = Walk(_hasher or _fastest(), _find)
        walk.value(value)
        return walk.finish()
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  whatever the value's own code raises, an exit included
        return None


_hasher: Callable[[], Hash] | None = None


def _fastest() -> Callable[[], Hash]:
    global _hasher  # noqa: PLW0603  looked for once, and not before it is needed
    try:
        import xxhash

        _hasher = xxhash.xxh3_128
    except (ImportError, AttributeError):
        _hasher = _blake
    return _hasher


def _blake() -> Hash:
    return hashlib.blake2b(digest_size=SHORT)
