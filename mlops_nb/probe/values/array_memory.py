"""Finds which arrays share memory, and sets of names that do."""

from typing import Any


class ArrayMemory:
    """Arrays by the memory they lie in; those of copy-on-write frames never alias each other."""

    def __init__(self) -> None:
        self.arrays: dict[int, tuple[Any, bool]] = {}
        self.places: dict[int, int] = {}  # array → its place in the order they came in
        self.owners: dict[int, dict[int, str]] = {}  # array → names by the frame that holds it
        self.names: dict[int, set[str]] = {}

    def add(self, array: Any, name: str, frame: int) -> None:
        """Take in an array of a value; `frame`: id of the frame that it is part of, or 0."""
        self.places.setdefault(id(array), len(self.places))
        kept = self.arrays.get(id(array))
        self.arrays[id(array)] = (array, bool(frame) and (kept is None or kept[1]))
        self.names.setdefault(id(array), set()).add(name)
        if frame:
            self.owners.setdefault(id(array), {})[frame] = name

    def overlaps(self) -> list[tuple[int, int, list[int]]]:
        """Return stretches of memory that several arrays lie in: start, end, ids of arrays."""
        spans = sorted((*_bounds(a), key) for key, (a, _) in self.arrays.items() if a.size)
        sets = Groups()
        active: list[tuple[int, int, int]] = []
        for low, high, key in spans:
            active = [other for other in active if other[1] > low]
            for _, _, other in active:
                if not (self.arrays[key][1] and self.arrays[other][1]):
                    sets.join(key, other)
            active.append((low, high, key))
        at = {key: (low, high) for low, high, key in spans}
        found = sets.of(at)
        return [
            (min(at[k][0] for k in keys), max(at[k][1] for k in keys), keys)
            for keys in found
            if len(keys) > 1 or self._repeats(keys[0], at[keys[0]])
        ]

    def _repeats(self, key: int, bounds: tuple[int, int]) -> bool:
        array, _ = self.arrays[key]  # a broadcast array is larger than its memory
        return type(array).__name__ == "ndarray" and array.nbytes > bounds[1] - bounds[0]


class Groups:
    """Sets that grow together."""

    def __init__(self) -> None:
        self.parent: dict[Any, Any] = {}

    def root(self, key: Any) -> Any:
        """Return the key that represents the set of a key."""
        while (above := self.parent.get(key, key)) != key:
            self.parent[key] = self.parent.get(above, above)
            key = above
        return key

    def join(self, one: Any, other: Any) -> None:
        """Make the sets of two keys one."""
        self.parent[self.root(one)] = self.root(other)

    def of(self, keys: Any) -> list[list[Any]]:
        """Return keys set by set, in their order."""
        found: dict[Any, list[Any]] = {}
        for key in keys:
            found.setdefault(self.root(key), []).append(key)
        return list(found.values())


def _bounds(array: Any) -> tuple[int, int]:
    """Return the addresses of an array's first byte and of the one behind its last."""
    low = high = array.ctypes.data
    for count, stride in zip(array.shape, array.strides, strict=True):
        low, high = low + min(0, (count - 1) * stride), high + max(0, (count - 1) * stride)
    return low, high + array.itemsize
