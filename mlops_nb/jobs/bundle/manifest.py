"""`MANIFEST.json`: a sha256 for each file of a bundle.

Two files may be edited and applied: job.yaml, whose content every `JobApplied` carries, and
schema.json. Both are hashed apart from the code. The digest of a bundle excludes job.yaml and
includes schema.json: bundles are stored by it, so that a run finds the schema that was applied.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

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
    return _digest(_shas(files))


def _shas(files: Mapping[str, bytes]) -> dict[str, str]:
    return {n: _sha(b) for n, b in files.items() if n not in {DEFINITION, NAME}}


def _digest(shas: Mapping[str, str]) -> str:
    return _sha(json.dumps(shas, sort_keys=True).encode())


def code(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the sha256 of each file of a bundle that needs a new proof after an edit.

    >>> list(code({"pipeline.py": b"", "job.yaml": b"", "schema.json": b""}))
    ['pipeline.py']
    """
    return {name: sha for name, sha in _shas(files).items() if name != SCHEMA}


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

    `jobs/proven` compares them with the journal.

    Raises JobError for a file that was changed, added or removed, and for an invalid schema.json;
    `job_yaml` checks an edited job.yaml.
    """
    manifest = _read(files)
    if manifest is None:
        raise JobError(
            f"the bundle of {job!r} has no readable {NAME}",
            fix=f"promote again: mlops-nb promote NOTEBOOK --name {job} --replace",
        )
    listed, had_schema = manifest["files"], manifest["schema"]
    found = _shas(files)
    given = found.pop(SCHEMA, None)
    different = sorted(n for n in {*listed, *found} if listed.get(n) != found.get(n))
    if bool(had_schema) != bool(given):
        different = [SCHEMA]
    if not different and manifest["digest"] != promoted(files):
        different = [NAME]
    if different:
        raise JobError(
            f"{different[0]!r} in the bundle of {job!r} is not what was proven",
            fix="undo that edit (git checkout), or edit the notebook and prove it: "
            f"mlops-nb promote NOTEBOOK --name {job} --replace",
        )
    if given is not None and given != had_schema:
        schema_json.read(files[SCHEMA], f"jobs/{job}/{SCHEMA}")
    return digest(files)


def promoted(files: Mapping[str, bytes]) -> str:
    """Return the digest of a bundle with schema.json as it was promoted, "" without a manifest.

    >>> bundle = {"a": b"1", "schema.json": b"{}"}
    >>> bundle["MANIFEST.json"] = write(bundle)
    >>> promoted(bundle | {"schema.json": b"edited"}) == digest(bundle)
    True
    """
    manifest = _read(files)
    if manifest is None:
        return ""
    schema = {SCHEMA: manifest["schema"]} if manifest["schema"] else {}
    return _digest(code(files) | schema)


def _read(files: Mapping[str, bytes]) -> dict[str, Any] | None:
    """Return a bundle's manifest with `schema` apart from `files`, None if it cannot be read."""
    try:
        manifest = dict(json.loads(files[NAME]))
        listed = dict(manifest["files"])
    except (KeyError, ValueError, TypeError, RecursionError):
        return None
    schema = listed.pop(SCHEMA, None) or manifest.get("schema")  # the form of older bundles
    return {"digest": manifest.get("digest"), "schema": schema, "files": listed}
