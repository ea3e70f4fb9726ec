"""job.yaml: written, read, checked where it is read, and compared."""

import jsonschema
import pytest
from msgspec.structs import replace

from mlops_nb.errors import JobError
from mlops_nb.jobs.bundle import job_yaml
from mlops_nb.jobs.model import Job, Schedule
from mlops_nb.serving.settings import PredictionSettings, ServingSettings

FULL = Job(
    name="flights",
    notebook="pipeline.ipynb",
    folder="notebooks",
    source="notebooks/train.ipynb",
    parameters={"until": "{data_end:%Y-%m-%d}", "depth": 3, "on": True, "city": "서울"},
    schedule=Schedule(cron="0 3 1 * *", timezone="Asia/Seoul", missed="all", overlap="queue"),
    gates=("auc >= 0.6", "auc >= champion - 0.02"),
    model_name="flights",
    model_variable="model",
    secrets={"DB_PASSWORD": {"env": "DB_PASSWORD"}},
    retries=2,
    timeout=3600.5,
    triggers=(
        {"data": "data/*.parquet", "cooldown": 60},
        {"drift": 0.2},
        {"metric": "auc", "fall": 0.05, "every": 86400},
        {"job": "weather"},
    ),
    serving=ServingSettings(
        predictions=PredictionSettings(
            keep="30d",
            sample=0.25,
            drop=("name",),
            hash=("iban",),
            subject="customer",
            entity="flight",
        )
    ),
    approval="required",
    notify=({"webhook": {"env": "HOOK"}}, {"command": "mail -s mlops team"}),
)
SMALL = Job(name="a", notebook="pipeline.ipynb", folder=".", source="a.ipynb")


def yaml(**more):
    lines = {"version": "1", "name": "a", "notebook": "n.ipynb"} | more
    return "\n".join(f"{key}: {value}" for key, value in lines.items() if value is not None)


@pytest.mark.parametrize("job", [FULL, SMALL], ids=["full", "small"])
def test_a_job_is_read_as_it_was_written(job):
    again = job_yaml.read(job_yaml.write(job))
    assert job_yaml.definition(again) == job_yaml.definition(job)
    assert again.serving == job.serving
    assert (again.parameters, again.schedule, again.gates) == (
        job.parameters,
        job.schedule,
        job.gates,
    )


def test_what_is_written_fits_the_schema_and_reads_well():
    jsonschema.Draft202012Validator.check_schema(job_yaml.SCHEMA)
    jsonschema.validate(job_yaml.definition(FULL), job_yaml.SCHEMA)
    text = job_yaml.write(FULL)
    assert text.startswith("# Edit, then: mlops-nb apply flights\nversion: 1\nname: flights\n")
    assert "서울" in text


@pytest.mark.parametrize(
    ("name", "wish"),
    [
        ("approval", "perhaps"),
        ("triggers", [{"moon": "full"}]),
        ("triggers", [{"drift": 2}]),
        ("triggers", [{"metric": "auc"}]),
        ("triggers", [{"data": "a", "drift": 0.1}]),
        ("notify", ["a@example.org"]),
        ("predictions", {"keep": "forever"}),
        ("predictions", {"sample": 0}),
        ("predictions", {"sample": 1.5}),
        ("predictions", {"drop": "name"}),
        ("predictions", {"hash": ["a", "a"]}),
        ("predictions", {"subject": ["a"]}),
        ("predictions", {"mask": ["a"]}),
        ("predictions", {"holdout": 0.9}),
        ("release_with", ["a", "a"]),
    ],
)
def test_a_wish_that_nobody_could_grant_is_refused(name, wish):
    with pytest.raises(JobError, match=name):
        job_yaml.of_definition({"version": 1, "name": "a", "notebook": "a.ipynb", name: wish})


def test_little_is_needed_and_the_rest_has_defaults():
    job = job_yaml.read(yaml())
    assert (job.source, job.folder, job.schedule, job.gates) == ("n.ipynb", ".", None, ())
    assert (job.retries, job.timeout, job.model_variable) == (0, None, None)
    assert job.serving == ServingSettings()
    assert job_yaml.definition(job)["predictions"] == {
        "keep": "180d",
        "sample": 1.0,
        "drop": [],
        "hash": [],
        "subject": None,
        "entity": None,
        "holdout": 0.0,
    }


def test_a_schedule_without_a_zone_is_in_utc_and_a_macro_is_expanded():
    job = job_yaml.read(yaml(schedule="{cron: '@daily'}"))
    assert job.schedule == Schedule(cron="0 0 * * *", timezone="UTC")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (yaml(name=None), "'name' is a required property"),
        (yaml(version=2), "version: 1 was expected"),
        (yaml(retrys=2), "'retrys' was unexpected"),
        (yaml(retries=-1), "retries: -1"),
        (yaml(retries="two"), "retries: 'two' is not of type 'integer'"),
        (yaml(timeout=0), "timeout: 0"),
        (yaml(gates="auc >= 0.6"), "gates: 'auc >= 0.6' is not of type 'array'"),
        (yaml(gates="[3]"), "gates.0: 3 is not of type 'string'"),
        (yaml(schedule="{timezone: UTC}"), "schedule: 'cron' is a required property"),
        (yaml(schedule="{cron: '0 3 * * *', zone: UTC}"), "schedule: "),
        (yaml(schedule="{cron: '0 3 * * *', missed: some}"), "schedule.missed: 'some'"),
        (yaml(model="{name: m}"), "model: 'variable' is a required property"),
        (yaml(secrets="{DB: hunter22}"), "secrets.DB: "),
        (yaml(name="'a/b'"), "name: 'a/b' does not match"),
        (yaml(name="'../b'"), "name: '../b' does not match"),
        (yaml(approval="maybe"), "approval: 'maybe'"),
        ("", "None is not of type 'object'"),
        ("- a", "['a'] is not of type 'object'"),
        ("a: [", "is no YAML"),
        ("a: !!python/object:os.system {}", "is no YAML"),
    ],
)
def test_what_the_schema_does_not_allow_is_said_by_its_place(text, says):
    with pytest.raises(JobError) as refused:
        job_yaml.read(text, "jobs/a/job.yaml")
    assert says in refused.value.what
    assert refused.value.where == "jobs/a/job.yaml"
    assert refused.value.fix


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (yaml(gates="['auc => 1']"), "the gate 'auc => 1' cannot be read"),
        (yaml(schedule="{cron: '0 3 * *'}"), "five fields"),
        (yaml(schedule="{cron: '0 3 * * *', timezone: Mars}"), "no time zone 'Mars'"),
    ],
)
def test_a_gate_a_cron_line_or_a_zone_that_cannot_be_read_is_refused(text, says):
    with pytest.raises(JobError) as refused:
        job_yaml.read(text)
    assert says in refused.value.what


def test_a_new_definition_is_told_by_what_it_changes():
    new = job_yaml.definition(FULL) | {"retries": 3, "approval": "none"}
    assert job_yaml.difference(job_yaml.definition(FULL), new) == [
        "retries: 2 → 3",
        "approval: 'required' → 'none'",
    ]
    assert job_yaml.difference(new, new) == []
    assert job_yaml.difference({}, {"a": 1}) == ["a: None → 1"]
    assert job_yaml.difference({"a": 1}, {}) == ["a: 1 → None"]


def test_a_job_of_before_the_serving_settings_has_their_defaults():
    new = ("predictions", "rollout")
    old = {k: v for k, v in job_yaml.definition(SMALL).items() if k not in new}
    assert job_yaml.difference(old, job_yaml.definition(SMALL)) == []
    masked = replace(SMALL, serving=ServingSettings(predictions=PredictionSettings(drop=("name",))))
    assert job_yaml.difference(old, job_yaml.definition(masked)) == [
        "predictions.drop: [] → ['name']"
    ]


# each list holds the one before ten times
MANY = "&a [x], " + ", ".join(
    f"&{name} [{', '.join([f'*{before}'] * 10)}]"
    for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    "value",
    [
        "[" * 3000 + "]" * 3000,
        "[" * 100 + "]" * 100,
        "&a {b: *a}",
        "&a [*a]",
        f"[{MANY}]",
    ],
    ids=["very deep", "deep", "circle", "circle of lists", "many"],
)
def test_values_that_nest_too_deeply_or_are_too_many_are_refused_once(value):
    text = job_yaml.write(Job(name="a", notebook="n.ipynb", folder=".", source="a.ipynb"))
    with pytest.raises(JobError, match="more than 40 levels") as refused:
        job_yaml.read(text.replace("parameters: {}", f"parameters: {{x: {value}}}"))
    assert refused.value.where == "job.yaml"
