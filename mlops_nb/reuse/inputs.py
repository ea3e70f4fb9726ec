"""The state of a run at one moment, from which the record of a unit is made."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from mlops_nb.notebook.model import Source, Value
from mlops_nb.reuse.external_inputs import Outside


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything outside a unit that its record refers to.

    notebook:    the name that the records are filed under
    environment: digest of the interpreter and its packages
    values:      name → digest of the value that other units left
    channels:    channel (an option, a variable) → digest of its state
    generators:  random generator → digest of its state
    modules:     local files that were imported so far
    """

    source: Source
    notebook: str
    at: datetime
    environment: str
    parameters: Mapping[str, Value]
    outside: Outside
    values: Mapping[str, str]
    channels: Mapping[str, str]
    generators: Mapping[str, str]
    modules: AbstractSet[str]
