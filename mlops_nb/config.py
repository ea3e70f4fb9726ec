"""Reads the settings: `[tool.mlops-nb]`, `mlops-nb.toml`, and environment variables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, unquote

from mlops_nb.errors import Refused

FOLDER = ".mlops"
MARKS = (FOLDER, "mlops-nb.toml", ".git")
SQLITE = "sqlite:///"
RETENTION = "180d"
UNITS = {"d": "days", "h": "hours", "m": "minutes"}
UNQUOTING = (2, 1)  # the first SQLAlchemy that unquotes the path of a SQLite address


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a project.

    root:    the project's folder
    journal: URL of the journal, in SQLite or PostgreSQL
    mlflow:  tracking URI; MLFLOW_TRACKING_URI wins
    experiment: name of the MLflow experiment; MLFLOW_EXPERIMENT_NAME wins
    group:   the group that shares .mlops/, "" for the user alone
    retention: how long the folders of runs stay: their notebooks, graphs and lists of packages
    predictions: folder or URL of the prediction logs, "" for .mlops/predictions
    names_mlflow: the settings or the environment name a tracking URI
    """

    root: Path
    journal: str
    mlflow: str
    experiment: str = "mlops-nb"
    group: str = ""
    retention: str = RETENTION
    predictions: str = ""
    names_mlflow: bool = False

    @property
    def folder(self) -> Path:
        """The .mlops folder."""
        return self.root / FOLDER

    @property
    def artifacts(self) -> str:
        """The default location of MLflow's artifacts, as a URI."""
        return (self.folder / "mlartifacts").as_uri()


def find_root(start: Path) -> Path:
    """Return the nearest folder upwards that is a project, else `start` itself."""
    start = start.resolve()
    for folder in (start, *start.parents):
        marked = any((folder / mark).exists() for mark in MARKS)
        if marked or _table(folder / "pyproject.toml") is not None:
            return folder
    return start


def _table(pyproject: Path) -> dict[str, object] | None:
    if not pyproject.is_file():
        return None
    table = _toml(pyproject).get("tool", {})
    found = table.get("mlops-nb") if isinstance(table, dict) else None
    return found if isinstance(found, dict) else None


def _toml(file: Path) -> dict[str, object]:
    import tomllib

    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refused(
            f"{file.name} cannot be read: {error}", fix=f"correct {file.name}", where=str(file)
        ) from None


def load(root: Path, environment: Mapping[str, str]) -> Settings:
    """Return a project's settings; MLOPS_NB_* of `environment` wins over its files.

    Raises Refused for an unknown key and for a value that is no text.
    """
    given: dict[str, object] = dict(_table(root / "pyproject.toml") or {})
    own = root / "mlops-nb.toml"
    if own.is_file():
        given |= _toml(own)
    known = {f.name for f in fields(Settings)} - {"root", "names_mlflow"}
    if unknown := sorted(set(given) - known):
        raise Refused(
            f"there is no setting {unknown[0]!r}",
            fix=f"use one of {', '.join(sorted(known))}",
            where="mlops-nb.toml or [tool.mlops-nb]",
        )
    if odd := sorted(key for key, value in given.items() if not isinstance(value, str)):
        raise Refused(
            f"the setting {odd[0]!r} is {given[odd[0]]!r}, which is no text",
            fix=f'write it as {odd[0]} = "…"',
            where="mlops-nb.toml or [tool.mlops-nb]",
        )
    for key in known:
        if value := environment.get(f"MLOPS_NB_{key.upper()}"):
            given[key] = value
    if tracking := environment.get("MLFLOW_TRACKING_URI"):
        given["mlflow"] = tracking
    if experiment := environment.get("MLFLOW_EXPERIMENT_NAME"):
        given["experiment"] = experiment
    folder = root / FOLDER
    if odd := sorted({"?", "#"} & set(str(root))):
        raise Refused(
            f"the project's path has a {odd[0]!r} in it, which no database address can hold",
            fix="rename that folder",
            where=str(root),
        )
    texts = {
        "journal": f"sqlite:///{folder / 'journal.db'}",
        "mlflow": sqlite_address(folder / "mlflow.db"),
        **{key: str(value) for key, value in given.items()},
    }
    return Settings(root=root, names_mlflow="mlflow" in given, **texts)


def span(text: str, of: str) -> timedelta:
    """Return a length of time; `of`: the option or setting that gives it.

    Raises Refused if the text is none.

    >>> span("30d", "--keep"), span("12h", "--keep")
    (datetime.timedelta(days=30), datetime.timedelta(seconds=43200))
    """
    found = re.fullmatch(r"(\d{1,5})([dhm])", text, re.ASCII)
    if found is None:
        raise Refused(
            f"{of} is {text!r}, which is no length of time",
            fix=f"give days, hours or minutes: {of} 30d, {of} 12h, {of} 45m",
        )
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def sqlite_address(file: Path) -> str:
    """Return the address of a SQLite file for SQLAlchemy.

    A path with a % is quoted with its slashes, as MLflow makes the folders of an address without
    unquoting it.

    >>> sqlite_address(Path("/a/mlflow.db"))
    'sqlite:////a/mlflow.db'
    """
    path = str(file)
    return SQLITE + (quote(path, safe="") if "%" in path and _unquotes() else path)


def sqlite_file(address: str) -> Path | None:
    """Return the file of a SQLite address, None for another database.

    >>> sqlite_file("http://localhost:5000") is None
    True
    """
    if not address.startswith(SQLITE):
        return None
    path = address.removeprefix(SQLITE)
    return Path(unquote(path) if "%" in path and _unquotes() else path)


def _unquotes() -> bool:
    from importlib.metadata import version  # slow to import

    major, minor = version("sqlalchemy").split(".")[:2]
    return (int(major), int(minor)) >= UNQUOTING
