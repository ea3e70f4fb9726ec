"""`MANIFEST.json`: a sha256 for each file of a bundle.

Two files may be edited and applied: job.yaml, whose content every `JobApplied` carries, and
schema.json. Both are hashed apart from the code. The digest of a bundle excludes job.yaml and
includes schema.json: bundles are stored by it, so that a run finds the schema that was applied.
"""

import hashlib
import json
from collections.abc import Mapping

from mlops_nb.errors import JobError
from mlops_nb.jobs.bundle import schema_json

DEFINITION = "job.yaml"
NAME = "MANIFEST.json"
SCHEMA = schema_json.NAME


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digest(files: Mapping[str, bytes]) -> str:
    """Return a bundle's digest: of every file but job.yaml and the manifest.

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
        "schema": listed.pop(SCHEMA, None),
        "files": listed,
    }
    return (json.dumps(found, indent=1) + "\n").encode()


def verify(files: Mapping[str, bytes], job: str) -> str:
    """Return a bundle's digest after comparing its files with the manifest.

    Raises JobError for a file that was changed, added or removed, and for an invalid schema.json;
    `job_yaml` checks an edited job.yaml.
    """
    try:
        manifest = json.loads(files[NAME])
        listed = dict(manifest["files"])
    except (KeyError, ValueError, TypeError):
        raise JobError(
            f"the bundle of {job!r} has no readable {NAME}",
            fix=f"promote again: mlops-nb promote NOTEBOOK --name {job} --replace",
        ) from None
    had_schema = listed.pop(SCHEMA, None) or manifest.get("schema")  # the form of older bundles
    found = {n: _sha(b) for n, b in files.items() if n not in {DEFINITION, NAME}}
    given = found.pop(SCHEMA, None)
    different = sorted(n for n in {*listed, *found} if listed.get(n) != found.get(n))
    if bool(had_schema) != bool(given):
        different = [SCHEMA]
    if different:
        raise JobError(
            f"{different[0]!r} in the bundle of {job!r} is not what was proven",
            fix="undo that edit (git checkout), or edit the notebook and promote it with --replace",
        )
    if given is not None and given != had_schema:
        schema_json.read(files[SCHEMA], f"jobs/{job}/{SCHEMA}")
    return digest(files)


def promoted(files: Mapping[str, bytes]) -> str:
    """Return the digest that a bundle had when it was promoted, before any edit.

    >>> bundle = {"a": b"1", "schema.json": b"{}"}
    >>> bundle["MANIFEST.json"] = write(bundle)
    >>> promoted(bundle | {"schema.json": b"edited"}) == digest(bundle)
    True
    """
    return str(json.loads(files[NAME])["digest"])
