"""What is told to OpenLineage holds against the schema files that the standard publishes.

They are another project's text and no package ships them, so they are not here. Put its `spec/`
(release 1.53) into a folder and name it: MLOPS_NB_OPENLINEAGE_SPEC=FOLDER. That they are the
published ones is seen by their digests.
"""

import hashlib
import json
import os
from pathlib import Path

import jsonschema
import pytest
from referencing import Registry, Resource

from mlops_nb import events as ev
from mlops_nb.integrations.openlineage import facets
from mlops_nb.integrations.openlineage.events import OpenLineageLog

FOLDER = os.environ.get("MLOPS_NB_OPENLINEAGE_SPEC", "")
OURS = json.loads((Path(__file__).parent / "schemas/openlineage-2-0-2.json").read_text())["$defs"]
OWN = json.loads((Path(facets.__file__).parent / "schemas/StepRunFacet.json").read_text())
EVENT = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
# sha256 of each file, as released
PUBLISHED = dict(
    line.split()
    for line in """\
ColumnLineageDatasetFacet 04d96b4985ca32470c7f9d73163da76678fb160bc8d80cbbc5abf312e9537466
DataQualityAssertionsDatasetFacet 65c785790728ccf3f1fe326a0a064a91934b242807a015c2c3e99bde913abc56
DatasetVersionDatasetFacet 91f57b67bc6d639bb6d600e26b827dac551e3520a233d1785d65870da263dc34
ErrorMessageRunFacet b11b4ee8b0f99f6846264f87cad48390255c7ef142ce623216660c7097be0ea6
ExecutionParametersRunFacet 6e24e4869116c2a2e4cb56ae8cd7702f4dce1609e87c3e83b196b985f46c5717
InputStatisticsInputDatasetFacet 39229ddd334bea16e35942e01cd59b7acb178d50688d4227894e01f39da8a669
JobTypeJobFacet 11c12cab95a411ca31066c80d2bb4aefd37bbcadbda5e4d343d2069853b907d5
NominalTimeRunFacet d9520e5731c7d1d25e1372730859b4efc986a9d4bd2315fe63c946957fe343b6
OpenLineage 69f68bee00b9beac88a87059c0102410e7bb05f3f43c46d02a0409831eceb0d2
OutputStatisticsOutputDatasetFacet d89f01440d08e10bb6e4a95c437f736e70034058f97d4955a35e1cda70c9d37e
OwnershipJobFacet c54ae771b1183efbe007a778eb5bf05e9e3f39f3d48f22a4beceea00950abdad
ParentRunFacet efdd06ef87537849f1ec7984cc2e36cbdcea40083635c20fd9af1934ba601d57
ProcessingEngineRunFacet 7cc28d9996802685f484dcd5d4be48517f5a23a4c9ab00837e9936b769f68e10
SchemaDatasetFacet 50236a779aa64baa0bad0055391838bd22fcb36ce667c41d60ada80915e899b6
SourceCodeJobFacet e54592aadd32e740b659fb59de59120b43e4a8bde13a0ff7099ccef3c0db48e6
SourceCodeLocationJobFacet 9fa4e9c251613ea4218f22aef0be914dfcd19da55b4ed7210480ba60362073b6
TagsRunFacet 87c2bce2b8325c3788416ed99f98171e35c4f1a692be878c73e65fa7915ca2fb
TestRunFacet 7f3bc75dcd91da63d0abc7dbcf94fe79195bc42808632db9322ef66c5a638c6b
""".splitlines()
)


@pytest.fixture(scope="module")
def published() -> dict[str, dict]:
    """Return the published schemas by their addresses."""
    if not FOLDER:
        pytest.skip("MLOPS_NB_OPENLINEAGE_SPEC names no folder with the standard's schema files")
    found = {}
    for file in Path(FOLDER).rglob("*.json"):
        if hashlib.sha256(file.read_bytes()).hexdigest() == PUBLISHED.get(file.stem):
            schema = json.loads(file.read_text("utf-8"))
            found[schema["$id"]] = schema
    names = {address.rpartition("/")[2].removesuffix(".json") for address in found}
    assert names == set(PUBLISHED), "files of the release are missing, or are of another one"
    return found


@pytest.fixture
def told(story) -> list[dict]:
    """Return every kind of event, in the words of the standard."""
    story.whole("r")
    story.start("again")
    for step in ("load", "train", "judge"):
        story.reuse("again", step)
    story.end("again")
    story.tell(
        ev.RunQueued(
            run="j",
            job="j",
            trigger="schedule",
            scheduled_at="2026-01-02T00:00Z",
            data_start="2026-01-01T00:00:00+00:00",
            data_end="2026-01-02T00:00:00+00:00",
        )
    )
    story.start("j", "j")
    for step in ("load", "train", "judge"):
        story.step("j", step, "j")
    story.end("j", job="j")
    gates = ({"gate": "accuracy >= 1", "passed": False, "value": 0.5, "because": "too low"},)
    story.tell(ev.Judged(run="j", job="j", verdicts=gates, passed=False))
    story.start("f")
    story.fail("f", "load")
    story.end("f", "failed", error="it failed")
    file = story.root / "lineage.jsonl"
    OpenLineageLog(file=file, root=story.root, journal=story.journal, owner="team:wine").catch_up()
    return [json.loads(line) for line in file.read_text().splitlines()]


def holders(event: dict) -> list[dict]:
    found = [event["run"]["facets"], event["job"]["facets"]]
    for data in (*event["inputs"], *event["outputs"]):
        found += [data.get(k, {}) for k in ("facets", "inputFacets", "outputFacets")]
    return found


def test_every_event_and_every_facet_is_valid_by_the_published_schemas(published, told):
    registry = Registry().with_resources(
        (address, Resource.from_contents(schema))
        for address, schema in {**published, OWN["$id"]: OWN}.items()
    )
    seen = set()
    for event in told:
        told_facets = [facet for holder in holders(event) for facet in holder.values()]
        for address, value in [
            (f"{EVENT}#/$defs/RunEvent", event),
            *((f["_schemaURL"], f) for f in told_facets),
        ]:
            jsonschema.Draft202012Validator(
                {"$ref": address}, registry=registry, format_checker=jsonschema.FormatChecker()
            ).validate(value)
            seen.add(address.partition("#")[0])
    assert seen == {*published, OWN["$id"]}, "a facet was never told, or never checked"


def test_our_own_schema_asks_for_all_that_the_published_ones_ask_for(published):
    for address, schema in published.items():
        name = address.rpartition("/")[2].removesuffix(".json")
        if name == "OpenLineage":
            continue
        asked, known = parts(schema["$defs"][name])
        our_asked, our_known = parts(OURS[name])
        assert our_asked >= asked, name
        assert our_known <= known, name


def parts(schema: dict) -> tuple[set[str], set[str]]:
    """Return what a facet must have and what it may have, but for what all have."""
    asked, known = set(schema.get("required", ())), set(schema.get("properties", ()))
    for part in schema.get("allOf", ()):
        of_it = parts(part)
        asked, known = asked | of_it[0], known | of_it[1]
    of = schema.get("$ref", "")
    if of.startswith("#/$defs/") and of.rpartition("/")[2] in OURS:
        of_it = parts(OURS[of.rpartition("/")[2]])
        asked, known = asked | of_it[0], known | of_it[1]
    return asked - {"_producer", "_schemaURL"}, known - {"_producer", "_schemaURL"}
