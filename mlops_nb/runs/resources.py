"""The resources of a machine for sweeps: cores, GPUs, and pools by name."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import Executor

from mlops_nb import plugins
from mlops_nb.errors import Refused
from mlops_nb.runs import sweep_history

POOLS = "mlops_nb.runs.pools"
OURS = ("MLOPS_NB_", "MLFLOW_TRACKING_URI")  # prefixes of variables that set settings
ANSWER_WITHIN = 20.0  # s: a driver that hangs counts as missing


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gpus(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the visible GPUs, or all if CUDA_VISIBLE_DEVICES is not set."""
    if sweep_history.GPUS in environment:
        return sweep_history.visible(environment[sweep_history.GPUS])
    tool = shutil.which("nvidia-smi", path=environment.get("PATH"))
    if tool is None:
        return ()
    try:
        done = subprocess.run(
            [tool, "-L"], capture_output=True, text=True, check=False, timeout=ANSWER_WITHIN
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return sweep_history.listed(done.stdout) if done.returncode == 0 else ()


def pool(name: str) -> Callable[[int], Executor]:
    """Return the function that makes a pool of some number of workers, by its name.

    Raises Refused if there is none of that name.
    """
    found: Callable[[int], Executor] | None = plugins.find(POOLS, name, "pool")
    if found is not None:
        return found
    raise Refused(
        f"there is no pool {name!r} to run on",
        fix=f"give one of {', '.join(plugins.names(POOLS))}",
    )
