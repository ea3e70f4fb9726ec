"""One walk over one value: what it writes tells different values apart, and equal ones not.

Everything written is prefix-free: plain scalars as `marshal` writes them (format 2: by value,
without references), all else behind `#tag:size;`. How a value is written depends on its content
and on its aliases alone. A mutable object that is met twice is written as its number, so
`[a, a]` and `[a, copy(a)]` differ, as they do for whoever changes `a`.
"""

import itertools
import marshal
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

MAX_DEPTH = 200
CHUNK = 16_384  # items that are looked at together, while the caches hold them
LARGE = 65_536  # bytes
MOST = 1 << 26  # bytes of texts that are copied at once
SETS = 2_000  # items of sets inside sets: a graph of sets has more paths than can be walked
SCALARS = frozenset({type(None), bool, int, float, complex, str, bytes})
SIMPLE = frozenset({type(None), bool, int})  # written in one way, whatever they are
INEXACT = frozenset({float, complex})
TEXTS = frozenset({str, bytes})
NESTED = frozenset({tuple, list, dict})
NAN = float("nan")


class Unknown(Exception):
    """A value whose content cannot be told."""


class Hash(Protocol):
    """What hashlib and xxhash make."""

    def update(self, data: Any, /) -> None:
        """Take in more bytes."""

    def digest(self) -> bytes:
        """Return the hash of the bytes so far."""


class Rule(NamedTuple):
    """How values of a kind are written; `many` writes a stretch of them at once."""

    write: Callable[["Walk", Any], None]
    tracked: bool = True  # whether a second meeting is written as a number
    many: Callable[["Walk", Any], None] | None = None


class Walk:
    """One walk over one value. Objects seen before are written as their number."""

    __slots__ = ("alive", "depth", "find", "hasher", "parts", "rules", "seen", "sink", "spent")

    def __init__(
        self, hasher: Callable[[], Hash], find: Callable[[type], Rule], depth: int = 0
    ) -> None:
        self.hasher = hasher
        self.find = find
        self.rules: dict[type, Rule] = {}  # of the kinds met on this walk
        self.depth = depth
        self.sink = hasher()
        self.spent: list[int] | None = None  # items of inner sets so far, shared by their walks
        self.parts: list[Any] = []
        self.seen: dict[int, int] = {}
        self.alive: list[object] = []  # keeps ids from being used twice

    def raw(self, tag: bytes, data: Any = b"") -> None:
        """Take in a tagged, length-prefixed stretch of bytes."""
        size = data.nbytes if type(data) is memoryview else len(data)
        if size < LARGE:
            self.parts.append(b"#%b:%d;%b" % (tag, size, data))
        else:
            self.parts.append(b"#%b:%d;" % (tag, size))
            self.data(data, size)

    def data(self, data: Any, size: int) -> None:
        """Take in bytes whose number can be told from what was written before."""
        if size >= LARGE:
            self.flush()
            self.sink.update(data)
        else:
            self.parts.append(data)

    def flush(self) -> None:
        """Hash what was kept back: many small stretches are hashed as one."""
        self.sink.update(b"".join(self.parts))
        self.parts.clear()

    def finish(self) -> bytes:
        """Return the hash of all that was taken in."""
        self.flush()
        return self.sink.digest()

    def apart(self, value: Any) -> bytes:
        """Return the hash of a value that is written elsewhere than its neighbours."""
        walk = Walk(self.hasher, self.find, self.depth + 1)
        walk.spent = [0] if self.spent is None else self.spent
        if walk.spent is self.spent:
            walk.spent[0] += 1
            if walk.spent[0] > SETS:
                raise Unknown("too many sets inside sets")
        walk.value(value)
        return walk.finish()

    def value(self, value: Any) -> None:
        """Take in any value."""
        kind = type(value)
        if kind in SCALARS:
            if kind in SIMPLE:
                self.parts.append(marshal.dumps(value, 2))
            else:
                self._scalar(value, kind)
            return
        rule = self.rules.get(kind)
        if rule is None:
            rule = self.rules[kind] = self.find(kind)
        if rule.tracked and self.again(value):
            return
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unknown("nested too deep")
        rule.write(self, value)
        self.depth -= 1

    def again(self, value: Any) -> bool:
        """Tell whether an object was seen before, and write its number then."""
        count = len(self.alive)
        number = self.seen.setdefault(id(value), count)
        if number == count:
            self.alive.append(value)
            return False
        self.raw(b"again", b"%d" % number)
        return True

    def _scalar(self, value: Any, kind: type) -> None:
        if kind in INEXACT and value != value:  # noqa: PLR0124
            value = settled(value)
        elif kind is bytes and len(value) > LARGE:
            self.raw(b"bytes", value)
            return
        elif kind is str and len(value) > LARGE:
            self.raw(b"text", value.encode("utf-8", "surrogatepass"))
            return
        self.parts.append(marshal.dumps(value, 2))

    def items(self, values: Any) -> None:
        """Take in a list's or a tuple's items, whose number was written before."""
        if 0 < len(values) <= CHUNK:
            self._chunk(values)
            return
        for start in range(0, len(values), CHUNK):
            self._chunk(values[start : start + CHUNK])

    def pairs(self, pairs: dict[Any, Any]) -> None:
        """Take in a dict in its order."""
        self.raw(b"dict", b"%d" % len(pairs))
        self.items(list(pairs))
        self.items(list(pairs.values()))

    def _chunk(self, chunk: Any) -> None:
        if len(self.parts) > CHUNK:
            self.flush()
        kinds = set(map(type, chunk))
        if kinds <= SCALARS and not _is_huge(chunk, kinds):
            if has_nan(chunk, kinds):
                chunk = type(chunk)(settled(item) for item in chunk)
            written = marshal.dumps(chunk, 2)
            self.data(written, len(written))
            return
        if len(kinds) == 1:
            (kind,) = kinds
            if kind in NESTED:
                if self._rows(chunk, kind):
                    return
            else:
                many = self.find(kind).many
                if many is not None:
                    many(self, chunk)
                    return
        self.raw(b"mixed")
        for item in chunk:
            if type(item) in SIMPLE:
                self.parts.append(marshal.dumps(item, 2))
            else:
                self.value(item)

    def _rows(self, chunk: Any, kind: type) -> bool:
        """Take in tuples, lists or dicts of scalars at once; False where they are more than that.

        Lists and dicts keep their numbers; so none of them may have been met before.
        """
        if sum(map(len, chunk)) > CHUNK * 64:
            return False
        inner = list(itertools.chain.from_iterable(chunk))
        if kind is dict:
            inner += itertools.chain.from_iterable(map(dict.values, chunk))
        kinds = set(map(type, inner))
        if not kinds <= SCALARS or has_nan(inner, kinds) or _is_huge(inner, kinds):
            return False
        if kind is not tuple:
            ids = list(map(id, chunk))
            if len(set(ids)) < len(ids) or not self.seen.keys().isdisjoint(ids):
                return False
            self.seen.update(zip(ids, itertools.count(len(self.alive))))
            self.alive.extend(chunk)
        self.raw(b"rows", marshal.dumps(chunk, 2))
        return True


def _is_huge(values: Any, kinds: set[type]) -> bool:
    if TEXTS.isdisjoint(kinds):
        return False
    texts = values if kinds <= TEXTS else [v for v in values if type(v) in TEXTS]
    return sum(map(len, texts)) > MOST


def has_nan(values: Iterable[Any], kinds: set[type]) -> bool:
    """Tell whether one of the scalars is no number; infinities may be taken for one.

    >>> has_nan([1.0, float("nan")], {float}), has_nan([1, "a"], {int, str})
    (True, False)
    """
    if INEXACT.isdisjoint(kinds):
        return False
    if kinds <= INEXACT:
        total = sum(values)
        return bool(total != total)  # noqa: PLR0124
    return any(value != value for value in values)  # noqa: PLR0124


def settled(value: Any) -> Any:
    """Return a scalar with one NaN in the place of any.

    >>> settled(-float("nan")), settled(1.5), settled(complex(1, float("nan")))
    (nan, 1.5, (1+nanj))
    """
    if type(value) is float:
        return value if value == value else NAN  # noqa: PLR0124
    if type(value) is complex:
        return complex(settled(value.real), settled(value.imag))
    return value
