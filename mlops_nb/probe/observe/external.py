"""What reaches beyond this machine's files: drivers, connections, remote addresses, the clock."""

import re
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

DRIVERS = frozenset(
    {
        "MySQLdb",
        "adbc_driver_manager",
        "adlfs",
        "aiobotocore",
        "aiohttp",
        "aioboto3",
        "asyncpg",
        "boto3",
        "botocore",
        "cassandra",
        "clickhouse_connect",
        "clickhouse_driver",
        "connectorx",
        "couchdb",
        "cx_Oracle",
        "databricks",
        "elasticsearch",
        "ftplib",
        "gcsfs",
        "grpc",
        "gspread",
        "httpx",
        "hdfs",
        "ibm_db",
        "influxdb",
        "influxdb_client",
        "kafka",
        "minio",
        "motor",
        "mysql",
        "neo4j",
        "openai",
        "opensearchpy",
        "oracledb",
        "pandas_gbq",
        "paramiko",
        "peewee",
        "pika",
        "psycopg",
        "psycopg2",
        "psycopg_pool",
        "pymongo",
        "pymssql",
        "pymysql",
        "pyodbc",
        "pyspark",
        "redis",
        "requests",
        "s3fs",
        "snowflake",
        "sqlalchemy",
        "sqlmodel",
        "trino",
        "turbodbc",
        "urllib3",
        "webdav3",
        "websocket",
        "websockets",
        "yfinance",
    }
)
DRIVER_PARTS = ("google.cloud", "azure.storage", "azure.data", "urllib.request", "http.client")
REMOTE = re.compile(
    r"^(?:https?|s3a?|gs|gcs|abfss?|adl|az|wasbs?|hdfs|ftp|sftp|ssh|smb|webdav|postgres(?:ql)?|"
    r"mysql|mariadb|mssql|oracle|redshift|snowflake|bigquery|mongodb|redis|trino|presto|"
    r"clickhouse|databricks|hf)(?:\+\w+)?://\S",
    re.IGNORECASE,
)
SQL_WRITES = re.compile(
    r"\b(?:insert\s+into|update\s+\w+\s+set|delete\s+from|create\s+|drop\s+|alter\s+|replace\s+into|"
    r"merge\s+into|truncate\s+|copy\s+)",
    re.IGNORECASE,
)
DATABASE_WRITES = frozenset(
    {
        "create_function",
        "create_aggregate",
        "create_collation",
        "to_sql",
        "commit",
        "create_all",
        "drop_all",
        "add_all",
        "bulk_save_objects",
        "insert_many",
        "insert_one",
        "update_one",
        "delete_many",
    }
)
# what no method changes: it looks at a frame, or is a plan that is made anew by every call
FIXED = (
    "polars.lazyframe",
    "polars.expr",
    "pyarrow.lib",
    "pyarrow.compute",
)
LOOKS = ("pandas.api.typing", "pandas.core.groupby", "pandas.core.window", "pandas.core.resample")
CLOCKS = frozenset({"now", "today", "utcnow", "gmtime", "localtime", "time_ns", "ctime"})
CLOCK_OWNERS = frozenset({"time", "datetime", "pandas", "arrow", "pendulum", "numpy"})
HANDLES = ("Connection", "Engine", "Client", "Session", "Cursor", "Pool", "Channel")


lineage: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
inside: Callable[[type], Mapping[str, Any]] = type.__dict__["__dict__"].__get__
name_of: Callable[[type], str] = type.__dict__["__name__"].__get__


def module_of(kind: type) -> str:
    """Return the module of a class, which is not asked in its own class's way of lookup."""
    found = type.__dict__["__module__"].__get__(kind)
    return found if type(found) is str else ""


class Gone:
    """Stands for a value that was let go before a cell dropped it."""

    __slots__ = ("id", "top")

    def __init__(self, value: Any) -> None:
        self.id, self.top = id(value), top_of(value)


def is_same(old: Any, new: Any) -> bool:
    """Say whether a name stands for the very same value as before."""
    return old is new or (type(old) is Gone and old.id == id(new))


def is_code(value: Any) -> bool:
    """Say whether a value is a module, a class or a function."""
    return issubclass(type(value), types.ModuleType | type | types.FunctionType)


def is_own_code(value: Any) -> bool:
    """Say whether a value is a function or a class of the notebook."""
    if type(value) is types.FunctionType:
        return bool(value.__module__ == "__main__")
    return issubclass(type(value), type) and module_of(value) == "__main__"


def may_run(value: Any) -> bool:
    """Say whether a value is code of the notebook, or an object that has some."""
    return is_own(value) or issubclass(type(value), types.FunctionType | type)


def is_own(value: Any) -> bool:
    """Say whether a value is an object of a class of the notebook."""
    return module_of(type(value)) == "__main__"


def top_of(value: Any) -> str:
    """Return the top-level package that a value comes from, "" where it is the notebook's own."""
    kind = type(value)
    if kind is Gone:
        name = value.top
    elif issubclass(kind, types.ModuleType):
        name = value.__name__
    elif issubclass(kind, type):
        name = module_of(value)
    elif kind in (types.FunctionType, types.BuiltinFunctionType):
        name = value.__module__ or module_of(type(getattr(value, "__self__", None)))
    else:
        name = module_of(kind)
    top = str(name).partition(".")[0]
    return "" if top in {"__main__", "builtins"} else top


def _module_of(value: Any) -> str:
    kind = type(value)
    if issubclass(kind, types.ModuleType):
        return str(value.__name__)
    if kind is types.FunctionType:
        return str(value.__module__)
    return module_of(value if issubclass(kind, type) else kind)


def is_remote(value: Any) -> bool:
    """Say whether a value is a driver, a connection, or the address of something remote."""
    if type(value) is str:
        return bool(REMOTE.match(value))
    module = _module_of(value)
    return module.partition(".")[0] in DRIVERS or module.startswith(DRIVER_PARTS)


MOVES_CURSORS = frozenset(
    {"fetchone", "fetchmany", "fetchall", "execute", "executemany", "executescript"}
)
# packages whose values are mostly memory
LARGE = frozenset({"numpy", "pandas", "polars", "pyarrow", "scipy", "tensorflow", "torch"})
TABLES = frozenset({"pandas", "polars", "pyarrow", "duckdb", "numpy", "modin", "dask"})


def is_handle(value: Any) -> bool:
    """Say whether a value is a way to something outside, which reading does not change."""
    if issubclass(type(value), str | types.ModuleType | type):
        return False
    return is_remote(value) or (
        name_of(type(value)).endswith(HANDLES) and top_of(value) not in {"", "multiprocessing"}
    )


def reached(named: Iterable[tuple[str, Any]], texts: Iterable[str]) -> list[str]:
    """Return in words what of the outside world some values and texts lead to."""
    found: dict[str, None] = {}
    for name, value in named:
        if issubclass(type(value), types.ModuleType) and is_remote(value):
            found[f"{value.__name__} (as {name!r})"] = None
        elif is_remote(value):
            what = "a remote address" if type(value) is str else f"a {name_of(type(value))}"
            found[f"{what} ({name!r})"] = None
        elif is_handle(value) and top_of(value) != "sqlite3":  # its file is seen to be opened
            found[f"a {name_of(type(value))} ({name!r})"] = None
    for text in texts:
        if REMOTE.match(text):
            found[f"a remote address ({text[:40].partition('?')[0].rpartition('@')[2]})"] = None
    return list(found)


def tells_time(attrs: Iterable[str], names: Iterable[tuple[str, Any]]) -> bool:
    """Say whether code asks what time it is; durations (`perf_counter`) are no input."""
    values = dict(names)
    asked = set(attrs)
    owners = {top_of(value) for value in values.values()}
    if asked & CLOCKS and owners & CLOCK_OWNERS:
        return True
    time = sys.modules.get("time")
    return ("time" in asked and any(v is time for v in values.values())) or any(
        v is getattr(time, "time", None) for v in values.values()
    )


def draws_from_channel(value: Any) -> bool:
    """Say whether a value is a function of a shared generator: `from random import shuffle`."""
    if type(value) not in (types.MethodType, types.BuiltinFunctionType):
        return False
    owner = value.__self__
    random, numpy = sys.modules.get("random"), sys.modules.get("numpy.random.mtrand")
    return owner is not None and (
        owner is getattr(random, "_inst", None) or owner is getattr(numpy, "_rand", None)
    )


def is_table(value: Any) -> bool:
    """Say whether a query may find a value by its name: a frame, or a table of some kind."""
    return top_of(value) in TABLES and not issubclass(type(value), types.ModuleType | type)


def is_cursor(value: Any) -> bool:
    """Say whether a value is a cursor of sqlite3."""
    sqlite = sys.modules.get("sqlite3")
    return sqlite is not None and issubclass(type(value), getattr(sqlite, "Cursor", ()))


def database_mark(value: Any) -> Any:
    """Return what changes where a connection of sqlite3 changes its database, None for others."""
    sqlite = sys.modules.get("sqlite3")
    if sqlite is not None and issubclass(type(value), sqlite.Connection):
        try:
            settings = (id(value.row_factory), id(value.text_factory), value.isolation_level)
            changes = (value.total_changes, value.in_transaction)
        except sqlite.Error:  # it is closed
            return "closed"
        return (*changes, *settings)
    return None


def writes_database(texts: Iterable[str], attrs: Iterable[str]) -> bool:
    """Say whether code that holds a connection looks as if it changed the database."""
    return bool(DATABASE_WRITES & set(attrs)) or any(SQL_WRITES.search(text) for text in texts)
