"""The state of a run at one moment, from which the record of a unit is made."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from mlops_nb.notebook.model import Source, Value
from mlops_nb.reuse.external_inputs import Outside
from mlops_nb.reuse.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything outside a unit that its record refers to.

    notebook:    the name that the records are filed under
    environment: digest of the interpreter and its packages
    state:       the values, channels and generators before the unit
    stateless:   the set-up cells that hold no state
    modules:     local files that were imported so far
    """

    source: Source
    notebook: str
    at: datetime
    environment: str
    parameters: Mapping[str, Value]
    outside: Outside
    state: State
    stateless: AbstractSet[int]
    modules: AbstractSet[str]
