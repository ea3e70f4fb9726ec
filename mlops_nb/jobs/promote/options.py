"""The options of a promotion."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlops_nb.context import Notify, ignore

Confirm = Callable[[Mapping[str, Any]], bool]  # takes the answer of a dry run


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteOptions:
    """The options of a promotion.

    confirm: called when it is proven and judged; False makes it a dry run
    """

    replace: bool = False
    draft: bool = False
    dry_run: bool = False
    confirm: Confirm | None = None
    notify: Notify = ignore
    note: Callable[[str], None] = lambda _: None
