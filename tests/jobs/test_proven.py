"""Only code that was proven runs: a bundle is compared with the bundles that the journal knows."""

import json
from datetime import UTC, datetime

import pytest

from mlops_nb import files
from mlops_nb.context import Context
from mlops_nb.errors import JobError
from mlops_nb.events import JobApplied, JobDrafted
from mlops_nb.jobs import proven, stored
from mlops_nb.jobs.bundle import manifest

CELLS = ("k = 2", "df = [1]", "total = sum(df) * k")
SCHEMA = b'{"version": 1, "frames": {}}'
EDITED_SCHEMA = b'{"version": 1, "frames": {}, "profile": {}}'


def notebook(*sources):
    found = [{"cell_type": "code", "metadata": {}, "source": source} for source in sources]
    return json.dumps({"cells": found, "metadata": {}}).encode()


def bundle(seed=1, **more):
    """Return the files of a bundle as promote writes them; `a__b` in a name is `a.b`."""
    found = {
        "pipeline.ipynb": notebook(*CELLS),
        "pipeline.py": b"x = 1",
        "graph.json": b"{}",
        "requirements.lock": b"numpy==2",
        "modules/m.py": b"y = 1",
        **{name.replace("__", "."): data for name, data in more.items()},
    }
    proof = {"equal": True, "seed": seed, "files": manifest.code(found)}
    found |= {
        "proof.json": json.dumps(proof).encode(),
        "schema.json": SCHEMA,
        "job.yaml": b"version: 1",
        "REVIEW.md": b"# Review",
    }
    return signed(found)


def signed(found):
    """Return a bundle with a manifest that fits its files."""
    rest = {name: data for name, data in found.items() if name != manifest.NAME}
    return rest | {manifest.NAME: manifest.write(rest)}


@pytest.fixture
def ctx(tmp_path):
    """Return a project whose journal is empty."""
    return Context(tmp_path, {}, lambda: datetime(2026, 1, 1, tzinfo=UTC))


def know(ctx, found, *, elsewhere=False, draft=False):
    digest = manifest.digest(found)
    stored.keep(ctx, digest, found)
    if draft:
        ctx.journal.append(JobDrafted(job="g", digest=digest))
        return
    live = JobApplied(job="g", digest=digest, bundle="jobs/g", elsewhere=elsewhere)
    ctx.journal.append(live)


def check(ctx, found):
    return proven.was_proven_here(ctx, "g", found, lambda _: None)


EDITS = {
    "pipeline.ipynb": notebook(*CELLS[:2], "total = sum(df) * k * 100"),
    "pipeline.py": b"x = 2",
    "graph.json": b"[]",
    "requirements.lock": b"numpy==1",
    "modules/m.py": b"y = 2",
    "modules/new.py": b"",
    "proof.json": b'{"equal": true}',
    "REVIEW.md": b"# Fine",
}


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("draft", [False, True], ids=["live", "draft"])
def test_an_edit_with_a_manifest_that_fits_is_refused(ctx, name, draft):
    know(ctx, bundle(), draft=draft)
    assert check(ctx, bundle()) is True
    with pytest.raises(JobError) as refused:
        check(ctx, signed(bundle() | {name: EDITS[name]}))
    assert refused.value.exit_status == 2
    assert repr(name) in refused.value.what
    assert "is not what was proven" in refused.value.what
    assert "mlops-nb promote NOTEBOOK --name g --replace" in refused.value.fix


def test_a_removed_file_and_an_edit_of_all_files_are_refused(ctx):
    know(ctx, bundle())
    less = {name: data for name, data in bundle().items() if name != "modules/m.py"}
    with pytest.raises(JobError, match=r"modules/m\.py"):
        check(ctx, signed(less))
    with pytest.raises(JobError, match=r"nor are .*pipeline\.py.*proof\.json"):
        check(ctx, signed(bundle() | EDITS))


def test_the_edits_of_a_notebook_are_shown_cell_by_cell(ctx):
    know(ctx, bundle())
    cells = ("k = 3", CELLS[1], CELLS[2], "import os")
    edited = signed(bundle() | {"pipeline.ipynb": notebook(*cells)})
    with pytest.raises(JobError) as refused:
        check(ctx, edited)
    head, *shown = refused.value.what.splitlines()
    assert head.startswith("'pipeline.ipynb' (cell 1 changed, cell 4 added) in the bundle of 'g'")
    lines = [line.strip() for line in shown]
    assert lines[:4] == ["cell 1 changed", "-k = 2", "+k = 3", "cell 4 added"]
    assert "+import os" in lines


def test_what_may_be_edited_needs_no_proof(ctx):
    know(ctx, bundle())
    assert check(ctx, bundle() | {"job.yaml": b"edited"}) is True
    assert check(ctx, bundle() | {"schema.json": EDITED_SCHEMA}) is True
    assert check(ctx, signed(bundle() | {"schema.json": EDITED_SCHEMA})) is True


def test_an_earlier_bundle_that_git_brings_back_was_proven(ctx):
    know(ctx, bundle())
    know(ctx, bundle(seed=2, pipeline__py=b"x = 2"))
    assert check(ctx, bundle()) is True


def test_a_bundle_of_another_machine_is_applied_and_said_to_be(ctx):
    notes = []
    assert proven.was_proven_here(ctx, "g", bundle(), notes.append) is False
    assert "made elsewhere" in notes[0]
    know(ctx, bundle(), elsewhere=True)
    assert check(ctx, bundle()) is False
    assert check(ctx, bundle(seed=2, pipeline__py=b"x = 2")) is False  # promoted there again
    with pytest.raises(JobError, match=r"'pipeline\.py' in the bundle of 'g' is not what was"):
        check(ctx, signed(bundle() | {"pipeline.py": b"x = 3"}))


def test_a_job_that_was_promoted_again_elsewhere_may_be_applied(ctx):
    know(ctx, bundle())
    assert check(ctx, bundle(seed=2, pipeline__py=b"x = 2")) is False
    assert check(ctx, bundle(seed=2)) is False  # the same code, with a proof of its own
    for known in (bundle(), bundle(seed=2)):
        know(ctx, known)
        edited = known["proof.json"].replace(b"true", b"null")
        with pytest.raises(JobError, match=r"'proof\.json'"):
            check(ctx, signed(known | {"proof.json": edited}))


def test_a_bundle_of_another_machine_must_equal_its_own_proof(ctx):
    with pytest.raises(JobError, match=r"'pipeline\.ipynb'.* is not what its proof\.json"):
        check(ctx, signed(bundle() | {"pipeline.ipynb": EDITS["pipeline.ipynb"]}))
    with pytest.raises(JobError, match=r"'modules/new\.py'"):
        check(ctx, signed(bundle() | {"modules/new.py": b""}))
    for proof in (b"{", b"[]", b'{"files": 3}'):
        with pytest.raises(JobError, match=r"no readable proof\.json"):
            check(ctx, signed(bundle() | {"proof.json": proof}))
    assert check(ctx, signed(bundle() | {"proof.json": b'{"equal": true}'})) is False  # older


def test_code_is_refused_where_the_proven_files_are_gone(ctx):
    know(ctx, bundle())
    kept = ctx.bundle_folder(manifest.digest(bundle()))
    kept.rename(kept.with_name("elsewhere"))
    assert check(ctx, bundle()) is True
    with pytest.raises(JobError, match="the code in the bundle of 'g' is not what was proven"):
        check(ctx, signed(bundle() | {"pipeline.py": b"x = 2"}))


@pytest.mark.parametrize("name", ["pipeline.ipynb", "MANIFEST.json", "schema.json"])
@pytest.mark.parametrize("damage", [None, b"", b"{"])
def test_a_damaged_stored_bundle_is_written_again(ctx, name, damage):
    know(ctx, bundle())
    digest = manifest.digest(bundle())
    file = ctx.bundle_folder(digest) / name
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage)
    assert check(ctx, bundle()) is True
    stored.keep(ctx, digest, bundle())
    assert file.read_bytes() == bundle()[name]


def test_a_live_bundle_is_read_from_jobs_where_the_stored_one_is_damaged(ctx):
    know(ctx, bundle())
    digest = manifest.digest(bundle())
    assert stored.live(ctx, "g", digest) == bundle()
    (ctx.bundle_folder(digest) / "schema.json").write_bytes(b"{")
    assert stored.live(ctx, "g", digest) == stored.bundle(ctx, digest) == {}
    files.write_folder(ctx.root / "jobs" / "g", bundle() | {"job.yaml": b"edited"})
    assert stored.live(ctx, "g", digest)["schema.json"] == SCHEMA
    (ctx.root / "jobs" / "g" / "schema.json").write_bytes(EDITED_SCHEMA)
    assert stored.live(ctx, "g", digest) == {}
