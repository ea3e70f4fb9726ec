"""Fetches the secrets that a job names; their values are never stored."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from mlops_nb.errors import Refused


def fetch(
    secrets: Mapping[str, Mapping[str, str]], environment: Mapping[str, str]
) -> dict[str, str]:
    """Return environment variable → value of the secret.

    Raises Refused for a missing one, before anything runs.

    >>> fetch({"DB": {"env": "DB_PASSWORD"}}, {"DB_PASSWORD": "x"})
    {'DB': 'x'}
    """
    return {name: _one(name, source, environment) for name, source in secrets.items()}


def _one(name: str, source: Mapping[str, str], environment: Mapping[str, str]) -> str:
    if "file" in source:
        path = Path(source["file"]).expanduser()
        if not path.is_file():
            raise _missing(name, f"there is no file {source['file']!r}", "write it there")
        return path.read_text(encoding="utf-8").rstrip("\n")
    if "command" in source:
        done = subprocess.run(  # noqa: S602  the command that job.yaml names
            source["command"], shell=True, capture_output=True, text=True, check=False
        )
        if done.returncode:
            stderr = done.stderr.strip()[:200]
            raise _missing(name, f"its command failed: {stderr}", "correct it in job.yaml")
        return done.stdout.rstrip("\n")
    variable = source.get("env", name)
    value = environment.get(variable)
    if not value:
        raise _missing(name, f"{variable} is not set", f"export {variable}=…")
    return value


def _missing(name: str, what: str, fix: str) -> Refused:
    return Refused(f"the secret {name!r} is missing: {what}", fix=fix)
