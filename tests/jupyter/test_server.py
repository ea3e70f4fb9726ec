"""The server's route answers the panel, and refuses paths and requests that it must refuse."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from mlops_nb.errors import Refused
from mlops_nb.jupyter.handlers.graph import read_request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from jupyter_server.serverapp import ServerApp
    from tornado.httpclient import AsyncHTTPClient, HTTPResponse

    Ask = Callable[..., Awaitable[HTTPResponse]]

FORBIDDEN = {401, 403}


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    return {
        "ServerApp": {
            "jpserver_extensions": {"mlops_nb": True},
            "allow_unauthenticated_access": False,
        }
    }


@pytest.fixture
def ask(jp_fetch: Callable[..., Awaitable[HTTPResponse]]) -> Ask:
    """Post a request of the panel; answers of any status come back."""

    async def post(body: object, **options: object) -> HTTPResponse:
        text = body if isinstance(body, str) else json.dumps(body)
        return await jp_fetch(
            "mlops-nb",
            "api",
            "graph",
            method="POST",
            body=text,
            raise_error=False,
            **options,
        )

    return post


def notebook(*sources: str) -> dict[str, Any]:
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "id": f"cell-{number}",
            "source": source,
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
        for number, source in enumerate(sources)
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def two_steps() -> dict[str, Any]:
    return notebook(
        "# mlops: step load\nraw = [1, 2, 3]",
        "# mlops: step total\ntotal = sum(raw)",
    )


async def test_the_pipeline_of_the_notebook_in_the_editor_is_returned(ask: Ask) -> None:
    response = await ask({"path": "flights.ipynb", "content": two_steps()})
    graph = json.loads(response.body)
    assert response.code == 200
    assert graph["version"] == 1
    assert [step["name"] for step in graph["steps"]] == ["load", "total"]
    assert graph["edges"] == [["load", "total", ["raw"]]]


async def test_unsaved_edits_win_over_the_saved_file(ask: Ask, jp_root_dir: Path) -> None:
    saved = json.dumps(notebook("# mlops: step old\nx = 1"))
    (jp_root_dir / "flights.ipynb").write_text(saved)
    response = await ask({"path": "flights.ipynb", "content": two_steps()})
    names = [step["name"] for step in json.loads(response.body)["steps"]]
    assert names == ["load", "total"]


async def test_without_content_the_saved_file_is_read(ask: Ask, jp_root_dir: Path) -> None:
    (jp_root_dir / "flights.ipynb").write_text(json.dumps(two_steps()))
    response = await ask({"path": "flights.ipynb"})
    names = [step["name"] for step in json.loads(response.body)["steps"]]
    assert names == ["load", "total"]


async def test_each_cell_is_named_by_its_id(ask: Ask) -> None:
    content = two_steps()
    response = await ask({"path": "flights.ipynb", "content": content})
    cells = json.loads(response.body)["cells"]
    assert [cell["id"] for cell in cells] == [cell["id"] for cell in content["cells"]]


async def test_a_wrong_token_is_refused(ask: Ask) -> None:
    request = {"path": "flights.ipynb", "content": two_steps()}
    response = await ask(request, headers={"Authorization": "token wrong"})
    assert response.code in FORBIDDEN
    assert b"load" not in response.body


async def test_no_token_at_all_is_refused(
    http_server_client: AsyncHTTPClient, jp_serverapp: ServerApp
) -> None:
    response = await http_server_client.fetch(
        f"{jp_serverapp.base_url}mlops-nb/api/graph",
        method="POST",
        body=json.dumps({"path": "flights.ipynb", "content": two_steps()}),
        raise_error=False,
    )
    assert response.code in FORBIDDEN


@pytest.mark.parametrize("path", ["../flights.ipynb", "a/../../flights.ipynb", "/etc/passwd"])
async def test_a_path_outside_the_root_is_refused(ask: Ask, path: str) -> None:
    response = await ask({"path": path, "content": two_steps()})
    answer = json.loads(response.body)
    assert response.code == 400
    assert "outside" in answer["error"]
    assert answer["fix"]
    assert answer["where"] == path


async def test_steps_that_form_a_circle_are_answered_with_a_fix(ask: Ask) -> None:
    circle = notebook(
        "# mlops: step load\nraw = [1]",
        "# mlops: step total\ntotal = sum(raw)",
        "# mlops: step load\nrows = [total]",
    )
    response = await ask({"path": "flights.ipynb", "content": circle})
    answer = json.loads(response.body)
    assert response.code == 422
    assert set(answer) == {"error", "fix", "where"}
    assert answer["fix"]


@pytest.mark.parametrize(
    "body",
    ["no json", "[]", "{}", '{"path": 3}', '{"path": ""}', '{"path": "a", "content": []}'],
)
async def test_a_malformed_request_says_how_to_post(ask: Ask, body: str) -> None:
    response = await ask(body)
    assert response.code == 400
    assert "POST" in json.loads(response.body)["fix"]


def test_a_null_byte_in_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="path"):
        read_request(json.dumps({"path": "a\0.ipynb"}).encode(), root=tmp_path)
