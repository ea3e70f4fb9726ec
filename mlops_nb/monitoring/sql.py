"""Opens DuckDB for one question over Arrow tables: in memory, with limits, without the network."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MEMORY = "600MB"
MOST_THREADS = 4


@contextmanager
def database(folder: Path, **tables: Any) -> Iterator[Any]:
    """Open a database in memory that knows Arrow tables by name.

    folder: where it may put what exceeds its memory, until it is closed
    """
    import duckdb

    spill = folder / f"sql-{uuid.uuid4().hex[:8]}"
    spill.mkdir(parents=True, mode=0o700)
    config = {
        "memory_limit": MEMORY,
        "threads": min(MOST_THREADS, os.cpu_count() or 1),
        "temp_directory": str(spill),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": False,
    }
    opened = duckdb.connect(":memory:", config=config)
    try:
        for name, table in tables.items():
            opened.register(name, table)
        yield opened
    finally:
        opened.close()
        shutil.rmtree(spill, ignore_errors=True)


def arrow(result: Any) -> Any:
    """Return the result of a query as an Arrow table."""
    return result.to_arrow_table()
