"""What reaches beyond this machine's files: drivers, connections, remote addresses, the clock."""

import re
import sys
import types
from collections.abc import Iterable
from typing import Any

from ..introspect import home_of, name_of, top_of, words

DRIVERS = words(
    """
    MySQLdb adbc_driver_manager adlfs aiobotocore aiohttp aioboto3 asyncpg boto3 botocore
    cassandra clickhouse_connect clickhouse_driver connectorx couchdb cx_Oracle databricks
    elasticsearch ftplib gcsfs grpc gspread httpx hdfs ibm_db influxdb influxdb_client kafka
    minio motor mysql neo4j openai opensearchpy oracledb pandas_gbq paramiko peewee pika
    psycopg psycopg2 psycopg_pool pymongo pymssql pymysql pyodbc pyspark redis requests s3fs
    snowflake sqlalchemy sqlmodel trino turbodbc urllib3 webdav3 websocket websockets
    yfinance
    """
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
DATABASE_WRITES = words(
    """
    create_function create_aggregate create_collation to_sql commit create_all drop_all
    add_all bulk_save_objects insert_many insert_one update_one delete_many
    """
)
CLOCKS = words("now today utcnow gmtime localtime time_ns ctime")
CLOCK_OWNERS = words("time datetime pandas arrow pendulum numpy")
HANDLES = ("Connection", "Engine", "Client", "Session", "Cursor", "Pool", "Channel")


def is_remote(value: Any) -> bool:
    """Say whether a value is a driver, a connection, or the address of something remote."""
    if type(value) is str:
        return bool(REMOTE.match(value))
    module = home_of(value)
    return module.partition(".")[0] in DRIVERS or module.startswith(DRIVER_PARTS)


TABLES = words("pandas polars pyarrow duckdb numpy modin dask")


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


def writes_database(texts: Iterable[str], attrs: Iterable[str]) -> bool:
    """Say whether code that holds a connection looks as if it changed the database."""
    return bool(DATABASE_WRITES & set(attrs)) or any(SQL_WRITES.search(text) for text in texts)
