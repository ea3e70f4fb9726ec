"""The state of a notebook's values that a ledger tracks during a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlops_nb.reuse import decide


@dataclass(slots=True)
class State:
    """The tracked state of the notebook's values at one moment of a run."""

    values: dict[str, str] = field(default_factory=dict)
    channels: dict[str, str] = field(default_factory=dict)
    generators: dict[str, str] = field(default_factory=dict)
    pending: dict[str, tuple[decide.Record, Mapping[str, Any]]] = field(default_factory=dict)
    defined: dict[str, str] = field(default_factory=dict)  # name → text that binds it
    rng: dict[str, Mapping[str, Any]] = field(default_factory=dict)
