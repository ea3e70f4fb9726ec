"""Puts a Parquet file in place as a whole or not at all, synced, readable for whom it may be."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from mlops_nb import files


def put(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write a file under a temporary name, and put it in place; its folder is made.

    write: writes its content
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, part = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(part, files.mode_of(path))
        os.replace(part, path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
