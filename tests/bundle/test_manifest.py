"""A bundle is what was proven: any other file is refused, an edited job.yaml is not."""

import hashlib
import json

import pytest

from mlops_nb.bundle import manifest
from mlops_nb.errors import JobError

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
