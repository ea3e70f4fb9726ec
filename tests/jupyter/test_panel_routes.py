"""What the panel's buttons ask the server for: lists, commands and copies, and what is refused."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from wine import JUDGE, TRAIN, wine

from mlops_nb.errors import Refused
from mlops_nb.jupyter import forms
from mlops_nb.jupyter.watcher import SCHEMA
from mlops_nb.project import open_project

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_server.serverapp import ServerApp

LONG = 120  # s: the server itself waits for some seconds, on a busy machine longer
PROMOTION = {"name": "wine", "model": "model", "gates": ["accuracy >= 0.2"]}
MARKED = f"{TRAIN}\n# mlops: model model --name wine"


@pytest.fixture
def notebook(jp_root_dir: Path) -> Path:
    (jp_root_dir / ".git").mkdir()
    return wine(jp_root_dir / "wine.ipynb", train=MARKED, judge=JUDGE)


@pytest.fixture
def panel(jp_fetch: Any) -> Panel:
    return Panel(jp_fetch)


class Panel:
    """Asks the server as the panel does."""

    def __init__(self, fetch: Any) -> None:
        self.fetch = fetch

    async def get(self, route: str, **query: str) -> tuple[int, Any]:
        found = await self.fetch(
            "mlops-nb", "api", route, params=query, raise_error=False, request_timeout=LONG
        )
        return found.code, json.loads(found.body)

    async def post(self, route: str, body: object) -> tuple[int, Any]:
        text = body if isinstance(body, str) else json.dumps(body)
        found = await self.fetch(
            "mlops-nb", "api", route, method="POST", body=text, raise_error=False
        )
        return found.code, json.loads(found.body)

    async def lists(self) -> Any:
        status, found = await self.get("project", path="wine.ipynb")
        assert status == 200, found
        return found

    async def run(self, action: str, **arguments: Any) -> Any:
        """Start an action and wait for its end; return its last answer."""
        status, now = await self.post(
            "commands", {"path": "wine.ipynb", "action": action, "arguments": arguments}
        )
        assert status == 200, now
        return await self.ended(now)

    async def ended(self, now: Any, answers: int | None = None) -> Any:
        while now["status"] is None and (answers is None or len(now["answers"]) < answers):
            count = str(len(now["answers"]))
            _, now = await self.get("commands", command=now["command"], answers=count)
        return now if answers is not None else now["answers"][-1]


async def test_an_empty_project_has_empty_lists_and_no_record_is_made(panel, notebook):
    found = await panel.lists()
    assert [found[name] for name in ("runs", "jobs", "models", "alerts")] == [[], [], [], []]
    assert found["scheduler_runs"] is False
    assert not (notebook.parent / ".mlops").exists()


async def test_a_run_is_listed_and_its_notebook_copied(panel, notebook):
    before = notebook.read_bytes()
    answer = await panel.run("run", parameters={"depth": "3"})
    assert answer["status"] == "finished"
    (row,) = (await panel.lists())["runs"]
    assert (row["run"], row["status"], row["parameters"]["depth"]) == (
        answer["run"],
        "finished",
        3,
    )
    status, copy = await panel.post("copies", {"path": "wine.ipynb", "run": row["run"]})
    assert (status, copy["path"]) == (200, f"wine-{row['run']}.ipynb")
    assert "depth = 3" in (notebook.parent / copy["path"]).read_text()
    assert notebook.read_bytes() == before
    status, found = await panel.post("copies", {"path": "wine.ipynb", "run": "none"})
    assert (status, found["fix"]) == (400, "list them with: mlops-nb runs")


async def test_a_promotion_is_proven_once_and_waits_for_a_yes(panel, notebook):
    asked = {"path": "wine.ipynb", "action": "promote", "arguments": PROMOTION}
    _, started = await panel.post("commands", asked)
    shown = await panel.ended(started, answers=1)
    assert shown["status"] is None
    assert shown["answers"][0]["proof"]["equal"]
    assert shown["answers"][0]["passed"]
    assert (await panel.lists())["jobs"] == []
    assert not (notebook.parent / "jobs").exists()
    _, going = await panel.post("commands", {"command": shown["command"], "confirm": True})
    done = await panel.ended(going)
    assert done["bundle"] == "jobs/wine"
    lists = await panel.lists()
    (job,) = lists["jobs"]
    assert (job["job"], job["notebook"]) == ("wine", "wine.ipynb")
    assert [run["trigger"] for run in lists["runs"]] == ["promote"]  # it was proven once
    assert lists["models"][0]["champion"] == 1

    assert (await panel.run("promote", **PROMOTION))["error"]["what"].startswith("there is a job")
    await panel.run("pause", job="wine")
    assert (await panel.lists())["jobs"][0]["status"] == "paused"
    assert (await panel.run("history", job="wine", last=5))["runs"][0]["trigger"] == "promote"


async def test_a_promotion_that_nobody_confirms_writes_nothing(panel, notebook):
    asked = {"path": "wine.ipynb", "action": "promote", "arguments": PROMOTION}
    _, started = await panel.post("commands", asked)
    shown = await panel.ended(started, answers=1)
    _, going = await panel.post("commands", {"command": shown["command"], "confirm": False})
    assert (await panel.ended(going))["bundle"] is None
    assert not (notebook.parent / "jobs").exists()
    assert (await panel.lists())["models"] == []


async def test_browsers_are_told_when_the_journal_grows(panel, notebook, jp_serverapp: ServerApp):
    told: list[dict[str, Any]] = []

    async def listen(logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        told.append(data)

    jp_serverapp.event_logger.add_listener(schema_id=SCHEMA, listener=listen)
    before = (await panel.lists())["mark"]
    await panel.run("run")
    for _ in range(100):
        if told:
            break
        await asyncio.sleep(0.1)
    assert told[0]["folder"] == "."
    assert told[0]["mark"] != before


REFUSED = [
    ({"path": "../wine.ipynb", "action": "run"}, "outside"),
    ({"path": "/etc/wine.ipynb", "action": "run"}, "outside"),
    ({"path": ".hidden/wine.ipynb", "action": "run"}, "hidden"),
    ({"path": "none/wine.ipynb", "action": "run"}, "folder of this notebook"),
    ({"path": "wine.ipynb", "action": "demo"}, "no action"),
    ({"path": "wine.ipynb", "action": "pause"}, "needs 'job'"),
    ({"path": "wine.ipynb", "action": "pause", "arguments": {"to": 1}}, "takes no 'to'"),
    ({"path": "wine.ipynb", "action": "pause", "arguments": ["wine"]}, "not an object"),
    ("[]", "not a JSON object"),
    ("{", "not a JSON object"),
]


@pytest.mark.parametrize(("body", "what"), REFUSED)
async def test_what_no_button_asks_for_is_refused(panel, notebook, body, what):
    status, found = await panel.post("commands", body)
    assert (status, what in found["error"], bool(found["fix"])) == (400, True, True)


async def test_a_command_of_a_server_before_is_not_known(panel, notebook):
    status, found = await panel.get("commands", command="gone")
    assert (status, "restarted" in found["error"]) == (404, True)


@pytest.mark.parametrize("route", ["project", "commands", "copies", "pipeline", "log"])
async def test_nobody_without_a_token_is_answered(jp_serverapp, http_server_client, route):
    url = f"{jp_serverapp.base_url}mlops-nb/api/{route}"
    method = "GET" if route in {"project", "log"} else "POST"
    body = None if method == "GET" else "{}"
    found = await http_server_client.fetch(url, method=method, body=body, raise_error=False)
    assert found.code in {401, 403}


@pytest.mark.parametrize("route", ["commands", "copies"])
async def test_another_page_cannot_send_a_command_with_a_cookie(
    jp_serverapp, http_server_client, notebook, route
):
    """A login by cookie, as a browser has it, needs the token against forged requests as well."""
    login = await http_server_client.fetch(
        f"{jp_serverapp.base_url}login?token={jp_serverapp.identity_provider.token}",
        follow_redirects=False,
        raise_error=False,
    )
    cookies = "; ".join(c.partition(";")[0] for c in login.headers.get_list("Set-Cookie"))
    assert "username" in cookies
    found = await http_server_client.fetch(
        f"{jp_serverapp.base_url}mlops-nb/api/{route}",
        method="POST",
        headers={"Cookie": cookies},
        body=json.dumps({"path": "wine.ipynb", "action": "run"}),
        raise_error=False,
    )
    assert found.code == 403


HOSTILE = ["--help", "-p", "; rm -rf /", "a\nb", "$(id)", "名前", "--"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_one_word_in_its_place(name):
    words = forms.words("pause", "wine.ipynb", {"job": name})
    assert words == ["pause", "--json", "--", name]
    words = forms.words("promote", "wine.ipynb", {"name": name, "gates": [name, name]})
    assert words[:4] == ["promote", f"--name={name}", f"--gate={name}", f"--gate={name}"]
    words = forms.words("run", "wine.ipynb", {"parameters": {name: name}})
    assert words[:4] == ["run", "-p", name, name]


@pytest.mark.parametrize("action", sorted(forms.FORMS))
def test_every_action_is_a_verb_that_the_command_line_knows(action):
    import click

    from mlops_nb.cli import cli

    form = forms.FORMS[action]
    given = {name: "x" for name in form.places if name != forms.NOTEBOOK}
    given |= {name: "300" if name in {"last", "to", "width"} else "x" for name in form.options}
    given |= {"version": "3"} if "version" in form.places else {}
    if "approval" in given:
        given["approval"] = "required"
    if "theme" in given:
        given["theme"] = "dark"
    verb, *words = forms.words(action, "wine.ipynb", given)
    command = cli.get_command(click.Context(cli), verb)
    command.make_context(verb, words)  # raises UsageError for an option that it does not have


def test_an_argument_that_is_empty_is_missing():
    with pytest.raises(Refused, match="needs 'job'"):
        forms.words("pause", "wine.ipynb", {"job": ""})


async def test_the_live_model_answers_a_row_that_was_typed_and_logs_it_as_a_try(panel, notebook):
    asked = {"path": "wine.ipynb", "action": "promote", "arguments": PROMOTION}
    _, started = await panel.post("commands", asked)
    shown = await panel.ended(started, answers=1)
    _, going = await panel.post("commands", {"command": shown["command"], "confirm": True})
    assert (await panel.ended(going))["passed"]
    example = await panel.run("try", model="wine")
    assert example["columns"][0] == {"name": "alcohol", "kind": "float"}
    answer = await panel.run("try", model="wine", rows=example["rows"])
    rows = notebook.parent / "rows.csv"
    pd.DataFrame(example["rows"]).to_csv(rows, index=False)
    project = open_project(notebook.parent)
    await asyncio.to_thread(project.predict, "wine", rows, notebook.parent / "answers.csv")
    assert answer["predictions"] == pd.read_csv(notebook.parent / "answers.csv").prediction.tolist()
    log = notebook.parent / ".mlops" / "predictions" / "wine"

    def sources() -> list[str]:
        return sorted(pd.concat(map(pd.read_parquet, log.glob("day=*/*.parquet"))).source)

    assert sources() == ["batch", "try"]
    assert project.predictions("wine").source.tolist() == ["batch"]  # no caller got the try
    wrong = await panel.run("try", model="wine", rows=[{**example["rows"][0], "alcohol": "much"}])
    assert wrong["error"]["where"] == "row 0, column alcohol"
    assert sources() == ["batch", "try"]
