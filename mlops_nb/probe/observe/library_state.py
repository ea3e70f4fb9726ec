"""Finds the libraries whose state a cell sets; each later cell that uses one of them reads it.

A cell sets the state of a library by an attribute of a module or class of it, or by a call such as
`csv.register_dialect`.
"""

import re
import types

from ..introspect import is_code, top_of, words
from .evidence import Evidence
from .global_state import SEEDS

# packages whose settings are channels of their own, and attributes that hold such settings
OWN_CHANNELS = words("IPython matplotlib numpy pandas seaborn sklearn warnings")
OWN_ATTRIBUTES = words("rcParams options environ path modules filters")
SETS = re.compile(
    r"(?:(?:un)?register|enable|disable|install|initialize|init|patch|reset|use|set|basic)\w*\Z|"
    r"autolog\Z|extension\Z|clear_session\Z|signal\Z|tzset\Z"
)


def libraries_set(facts: Evidence) -> set[str]:
    """Return the channels of the libraries whose state a cell sets."""
    return {f"module:{top}" for top in _stored(facts) | _called(facts)}


def libraries_used(facts: Evidence) -> set[str]:
    """Return the channels of the libraries that a cell uses."""
    return {f"module:{name.partition('.')[0]}" for name in (*facts.tops, *facts.imports)}


def _stored(facts: Evidence) -> set[str]:
    """Return the packages in which a cell sets an attribute, up to an error."""
    last = facts.last_line
    stores = {
        (root, path[0])
        for _, reads in facts.cell.trees
        for line, root, path in reads.attr_stores
        if last is None or line <= last
    }
    owners = [facts.both.get(root) for root, name in stores if name not in OWN_ATTRIBUTES]
    return {top_of(one) for one in owners if issubclass(type(one), types.ModuleType | type)} - {""}


def _called(facts: Evidence) -> set[str]:
    """Return the packages that calls set: `mlflow.set_experiment`, `gc.disable`."""
    calls = [
        (facts.both[n], (n,)) for n, use in facts.used.items() if use.called and n in facts.both
    ]
    found = {
        top_of(value)
        for value, path in [*calls, *facts.calls()]
        if is_code(value) and SETS.match(path[-1]) and path[-1] not in SEEDS
    }
    return found - OWN_CHANNELS - {""}
