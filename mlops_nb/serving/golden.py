"""Compares the answers of a process with the golden answers of its package."""

from collections.abc import Mapping
from typing import Any

from mlops_nb.errors import MlopsError
from mlops_nb.models.package import Package
from mlops_nb.probe.answer.answers import equal


def check(package: Package, found: Mapping[str, Any] | None) -> None:
    """Refuse a process that does not answer as it did when the package was written.

    Raises MlopsError with the first row that differs.
    """
    if found is None:
        return
    for part in ("predictions", "scores"):
        wanted = package.golden.get(part)
        if wanted is None:
            continue
        for row, (one, other) in enumerate(zip(found[part] or (), wanted, strict=True)):
            if not equal(one, other):
                raise MlopsError(
                    f"version {package.version} does not answer its golden requests: row {row} has "
                    f"{part[:-1]} {one!r}, and had {other!r}",
                    fix="build its environment again: mlops-nb apply, or mlops-nb rollback",
                )
