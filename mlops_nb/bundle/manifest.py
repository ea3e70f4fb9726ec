"""`MANIFEST.json`: a sha256 for each file of a bundle; job.yaml is hashed apart from the code."""

import hashlib
import json
from collections.abc import Mapping

from mlops_nb.errors import JobError

DEFINITION = "job.yaml"
NAME = "MANIFEST.json"


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digest(files: Mapping[str, bytes]) -> str:
    """Return the digest of a bundle's code: of every file but job.yaml and the manifest.

    >>> digest({"a": b"1", "job.yaml": b"x"}) == digest({"a": b"1", "job.yaml": b"y"})
    True
    """
    listed = {n: _sha(b) for n, b in sorted(files.items()) if n not in {DEFINITION, NAME}}
    return _sha(json.dumps(listed, sort_keys=True).encode())


def write(files: Mapping[str, bytes]) -> bytes:
    """Return the manifest of a bundle's files."""
    listed = {name: _sha(data) for name, data in sorted(files.items()) if name != NAME}
    found = {
        "version": 1,
        "digest": digest(files),
        "definition": listed.pop(DEFINITION, None),
        "files": listed,
    }
    return (json.dumps(found, indent=1) + "\n").encode()


def verify(files: Mapping[str, bytes], job: str) -> str:
    """Return a bundle's digest after comparing every file but job.yaml with the manifest.

    Raises JobError for a file that was changed, added or removed.
    """
    try:
        manifest = json.loads(files[NAME])
        listed = dict(manifest["files"])
    except (KeyError, ValueError, TypeError):
        raise JobError(
            f"the bundle of {job!r} has no readable {NAME}",
            fix=f"promote again: mlops-nb promote NOTEBOOK --name {job} --replace",
        ) from None
    found = {n: _sha(b) for n, b in files.items() if n not in {DEFINITION, NAME}}
    odd = sorted(n for n in {*listed, *found} if listed.get(n) != found.get(n))
    if odd:
        raise JobError(
            f"{odd[0]!r} in the bundle of {job!r} is not what was proven",
            fix="undo that edit (git checkout), or edit the notebook and promote it with --replace",
        )
    return digest(files)
