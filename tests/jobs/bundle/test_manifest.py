"""A bundle is what was proven: edits are refused but for those of job.yaml and schema.json."""

import hashlib
import json

import pytest

from mlops_nb.errors import JobError
from mlops_nb.jobs.bundle import manifest

FILES = {
    "pipeline.ipynb": b"{}",
    "pipeline.py": b"x = 1",
    "job.yaml": b"version: 1",
    "modules/m.py": b"y = 2",
}
BUNDLE = FILES | {manifest.NAME: manifest.write(FILES)}


def test_a_bundle_as_it_was_written_is_its_digest():
    assert manifest.verify(BUNDLE, "a") == manifest.digest(FILES) == manifest.digest(BUNDLE)


def test_an_edited_job_yaml_is_allowed_and_leaves_the_digest_alone():
    assert manifest.verify(BUNDLE | {"job.yaml": b"edited"}, "a") == manifest.digest(FILES)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"pipeline.py": b"x = 2"}, "pipeline.py"),
        ({"modules/m.py": b"y = 2 "}, "modules/m.py"),
        ({"modules/evil.py": b""}, "modules/evil.py"),
        ({"pipeline.ipynb": None}, "pipeline.ipynb"),
    ],
    ids=["changed", "by a blank", "added", "removed"],
)
def test_a_file_that_is_not_what_was_proven_is_refused_by_its_name(change, name):
    files = {k: v for k, v in (BUNDLE | change).items() if v is not None}
    with pytest.raises(JobError) as refused:
        manifest.verify(files, "flights")
    assert repr(name) in refused.value.what
    assert "'flights'" in refused.value.what
    assert "--replace" in refused.value.fix


@pytest.mark.parametrize(
    "text", [None, b"", b"{", b"[]", b"{}", b'{"files": 3}', b"\xff", b'{"files": null}']
)
def test_a_bundle_without_a_readable_manifest_is_refused(text):
    files = FILES | ({} if text is None else {manifest.NAME: text})
    with pytest.raises(JobError) as refused:
        manifest.verify(files, "flights")
    assert "no readable MANIFEST.json" in refused.value.what


def test_the_manifest_lists_a_sha256_for_each_file():
    listed = json.loads(manifest.write(FILES))
    assert listed["version"] == 1
    assert listed["digest"] == manifest.digest(FILES)
    assert listed["definition"] == hashlib.sha256(b"version: 1").hexdigest()
    assert listed["files"] == {
        name: hashlib.sha256(data).hexdigest()
        for name, data in sorted(FILES.items())
        if name != "job.yaml"
    }


def test_the_order_of_files_is_no_part_of_the_digest_and_their_names_are():
    assert manifest.digest(dict(reversed(FILES.items()))) == manifest.digest(FILES)
    assert manifest.digest({"a": b"1", "b": b"2"}) != manifest.digest({"a": b"2", "b": b"1"})
    assert manifest.digest({"a": b"1"}) != manifest.digest({"b": b"1"})


ASKED = b'{"version": 1, "frames": {"load": {"df": {"columns": {"x": {"kind": "number"}}}}}}'
EDITED = ASKED.replace(b'"number"', b'"number", "max": 3')
WITH_SCHEMA = FILES | {"schema.json": ASKED}
ASKING = WITH_SCHEMA | {manifest.NAME: manifest.write(WITH_SCHEMA)}


def test_an_edited_schema_is_allowed_and_makes_another_bundle_of_it():
    was, now = ASKING, ASKING | {"schema.json": EDITED}
    assert manifest.verify(was, "a") != manifest.verify(now, "a") == manifest.digest(now)
    assert manifest.promoted(now) == manifest.promoted(was) == manifest.digest(was)


def test_a_bundle_that_was_written_before_schemas_could_be_edited_may_be_edited_too():
    old = json.loads(ASKING[manifest.NAME])
    old["files"]["schema.json"] = old.pop("schema")
    bundle = ASKING | {manifest.NAME: json.dumps(old).encode()}
    assert manifest.verify(bundle, "a") == manifest.digest(WITH_SCHEMA)
    assert manifest.verify(bundle | {"schema.json": EDITED}, "a") != manifest.digest(WITH_SCHEMA)


def test_a_schema_that_is_gone_or_came_from_nowhere_is_refused():
    for files in (ASKING | {"schema.json": None}, BUNDLE | {"schema.json": ASKED}):
        with pytest.raises(JobError, match=r"'schema\.json'"):
            manifest.verify({k: v for k, v in files.items() if v is not None}, "a")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[]", "not of type 'object'"),
        (b"{}", "required"),
        (EDITED.replace(b'"max"', b'"mox"'), "mox"),
        (EDITED.replace(b"3", b'"3"'), "frames.load.df.columns.x.max"),
        (EDITED.replace(b'"max": 3', b'"max": 3, "min": 4'), "min 4 is above max 3"),
        (EDITED.replace(b'"max": 3', b'"new": "refused"'), "categories"),
        (EDITED.replace(b'"max": 3', b'"missing": "maybe"'), "maybe"),
        (EDITED.replace(b'"number"', b'"numbers"'), "numbers"),
        (
            EDITED[:-1] + b', "profile": {"load": {"df": {"x": {"missing": 0, "thresholds": {}, '
            b'"edges": [1, 2], "shares": [1.0]}}}}}',
            "2 edges need 3 shares",
        ),
    ],
)
def test_a_schema_that_cannot_be_read_is_refused_with_its_place_and_mend(text, said):
    with pytest.raises(JobError) as refused:
        manifest.verify(ASKING | {"schema.json": text}, "flights")
    assert said in refused.value.what
    assert "correct" in refused.value.fix
    assert refused.value.where == "jobs/flights/schema.json"
