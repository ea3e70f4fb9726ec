"""Keeps projects private, and refuses those of other users.

What a project holds, its settings, pickles and notebooks, runs as the caller.
"""

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from mlops_nb.errors import Refused

PARTS = (".mlops", "mlops-nb.toml", "pyproject.toml", "jobs")
VARIABLE = "MLOPS_NB_SAFE_FOLDERS"


def refuse_foreign(root: Path, environment: Mapping[str, str]) -> None:
    """Raise Refused if another user owns a project, or may write to it.

    The owner may be the caller or root, and the caller of `sudo`. Folders that the caller's own
    settings, or MLOPS_NB_SAFE_FOLDERS, name as safe are not checked.
    """
    if not hasattr(os, "geteuid"):
        return
    for path in (root, *(root / part for part in PARTS)):
        why = _distrusted(path, environment)
        if why and not any(_covers(safe, root) for safe in _safe(environment)):
            raise Refused(
                f"{path} {why}, so what is in it is not run",
                fix=f"if you trust it, add it to {own_settings(environment)}: "
                f'[safe] folders = ["{root}"]',
                where=str(root),
            )


def make_private(folder: Path, group: str = "") -> None:
    """Make a folder that only its user, or a group as well, can read, whatever the umask.

    Raises Refused if there is no such group.
    """
    made = not folder.is_dir()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    now = folder.stat()
    if now.st_uid != os.geteuid():
        return  # its owner decides
    if group:
        try:
            shutil.chown(folder, group=group)
        except (LookupError, PermissionError) as error:
            raise Refused(
                f"the group {group!r} cannot share {folder}: {error}",
                fix="set `group` to a group that you are a member of",
                where=str(folder),
            ) from None
        folder.chmod(0o2770)
    elif made or now.st_mode & 0o077:
        folder.chmod(0o700 if made else now.st_mode & 0o700)  # a read-only folder stays so


def own_settings(environment: Mapping[str, str]) -> Path:
    """Return the file of the user's own settings."""
    home = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "~")) / ".config"
    return Path(os.path.expanduser(home)) / "mlops-nb" / "config.toml"


def _distrusted(path: Path, environment: Mapping[str, str]) -> str:
    """Return why a path is not trusted, "" if it is or does not exist."""
    try:
        found = path.stat()
    except OSError:
        return ""
    if found.st_uid not in _owners(environment):
        return f"belongs to another user ({_name(found.st_uid)})"
    shared = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX  # as /tmp is
    if found.st_mode & stat.S_IWOTH and not shared:
        return "may be written by every user"
    return ""


def _owners(environment: Mapping[str, str]) -> set[int]:
    me = os.geteuid()
    sudo = environment.get("SUDO_UID", "")
    return {0, me} | ({int(sudo)} if me == 0 and sudo.isdigit() else set())


def _name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _safe(environment: Mapping[str, str]) -> Iterator[str]:
    yield from filter(None, environment.get(VARIABLE, "").split(os.pathsep))
    file = own_settings(environment)
    if not file.is_file() or _distrusted(file, environment):
        return
    import tomllib

    try:
        found = tomllib.loads(file.read_text(encoding="utf-8")).get("safe", {})
        yield from map(os.fspath, found.get("folders", []))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, AttributeError, TypeError) as error:
        raise Refused(
            f"{file} cannot be read: {error}",
            fix='write it as [safe] folders = ["/srv/project"]',
            where=str(file),
        ) from None


def _covers(safe: str, root: Path) -> bool:
    return safe == "*" or root.is_relative_to(Path(os.path.expanduser(safe)).resolve())
