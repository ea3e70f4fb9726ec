"""Starts the actions of the panel, and returns what they answered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tornado import web  # type: ignore[attr-defined]

from mlops_nb.errors import MlopsError, NotFound, Refused
from mlops_nb.jupyter import forms
from mlops_nb.jupyter.handlers.base import NOT_FOUND, PanelHandler

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_nb.jupyter.commands import StartedCommands


class CommandsHandler(PanelHandler):
    """POST {"action", "path", "arguments"} starts a verb; GET ?command=ID returns how it stands."""

    def initialize(self, root: Path, commands: StartedCommands) -> None:
        """Take the folder of the server's notebooks, and the commands that it has started."""
        self.root, self.commands = root, commands

    @web.authenticated
    async def post(self) -> None:
        """Start an action, or answer one that waits: {"command", "confirm"}.

        400: what it needs is missing; 404: this server has not started such a command
        """
        try:
            body = self.body()
            if "command" in body:
                command = self.commands.get(str(body["command"]))
                command.confirm(yes=body.get("confirm") is True)
            else:
                notebook = self.notebook(body.get("path")).resolve()
                action, arguments = str(body.get("action", "")), body.get("arguments") or {}
                if not isinstance(arguments, dict):
                    raise Refused("'arguments' is not an object", fix="reload the page")
                words = forms.words(action, notebook.name, arguments)
                typed = None if forms.FORMS[action].asks else forms.typed(action, arguments)
                command = await self.commands.start(notebook.parent, words, typed)
        except NotFound as error:
            self.refuse(error, NOT_FOUND)
        except MlopsError as error:
            self.refuse(error)
        else:
            self.finish(json.dumps(command.as_json()))

    @web.authenticated
    async def get(self) -> None:
        """Answer when a command has ended or printed more answers, or after some seconds."""
        try:
            command = self.commands.get(self.get_query_argument("command", ""))
            answers = self.get_query_argument("answers", "0")
        except MlopsError as error:
            self.refuse(error, NOT_FOUND)
            return
        await command.changed(int(answers) if answers.isdecimal() else 0)
        self.finish(json.dumps(command.as_json()))
