"""Writes files atomically."""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

PRIVATE = ".mlops"


def write_text(path: Path, text: str) -> None:
    """Write a text file under a temporary name, sync it, and put it in place."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, sync it, and put it in place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:80]}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(part, mode_of(path))
        os.replace(part, path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def mode_of(path: Path) -> int:
    """Return the mode of a new file: in .mlops/ that of the folder, elsewhere by the umask."""
    for folder in path.parents:
        if folder.name == PRIVATE and folder.is_dir():
            return folder.stat().st_mode & 0o660
    return 0o666 & ~umask()


def has_home(environment: Mapping[str, str]) -> bool:
    """Return whether the user has a home folder that can be written.

    >>> has_home({"HOME": "/proc/none"})
    False
    """
    home = environment.get("HOME") or os.path.expanduser("~")  # "~" if there is none
    return os.path.isdir(home) and os.access(home, os.W_OK)


def umask() -> int:
    """Return the umask of this process."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, as hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def local_module(name: str, places: Iterable[Path]) -> dict[str, str] | None:
    """Return the files of a top-level module that lies in one of some folders, by relative path."""
    for place in dict.fromkeys(places):
        single, package = place / f"{name}.py", place / name
        if single.is_file():
            return {single.name: single.read_text(encoding="utf-8")}
        if (package / "__init__.py").is_file():
            texts = sorted(p for p in package.rglob("*.py") if "__pycache__" not in p.parts)
            return {str(p.relative_to(place)): p.read_text(encoding="utf-8") for p in texts}
    return None


def write_folder(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files into a folder, by relative path."""
    for name, data in contents.items():
        write_bytes(folder / name, data)


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return a folder's files, by relative path."""
    found = sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return {str(p.relative_to(folder)): p.read_bytes() for p in found}
