"""Checks the frames of the first steps against schema.json before anything is trained.

The kernel writes the columns to a file, and this process checks them, so that the environment of
the kernel needs no packages for that.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlops_nb.data import contract
from mlops_nb.engine.runner import Client, Stopped
from mlops_nb.engine.task import Task
from mlops_nb.events import DataChecked, Event

Values = Mapping[str, Mapping[str, Any]]
Columns = Mapping[str, Mapping[str, Any]]


def passed(schema: Mapping[str, Any], values: Mapping[str, Values]) -> bool:
    """Return whether recorded values were checked under this very schema.

    values: step → name → description of its value
    """
    for step, frames in schema.get("frames", {}).items():
        made = values.get(step, {})
        if not frames.keys() <= made.keys() or contract.misfit(schema, step, made):
            return False
        for name, expected in frames.items():
            profiles = schema.get("profile", {}).get(step, {}).get(name, {})
            asks = bool(contract.checked_columns(expected) or profiles)
            if asks and made[name].get("checked") != _mark(expected, profiles):
                return False
    return True


class DataChecks:
    """Reads the frames of steps from the kernel and checks them."""

    def __init__(self, task: Task, put: Callable[[Event], None]) -> None:
        self.task, self.put = task, put

    def check(
        self, client: Client, step: str, values: Values, bring: Callable[[str], None]
    ) -> None:
        """Check the frames of a step against the schema. Raises Stopped if one violates it.

        bring: restores a name of a reused step into the kernel

        Values that were recorded under the same schema were checked then.
        """
        misfit = contract.misfit(self.task.schema, step, values)
        if misfit:
            failure = {
                "column": misfit["column"],
                "check": misfit["check"],
                "rows": misfit["rows"],
                "examples": [],
            }
            self.put(
                DataChecked(
                    run=self.task.run,
                    step=step,
                    name=misfit["name"],
                    rows=misfit["rows"],
                    failures=(failure,),
                )
            )
            raise Stopped(misfit["sentence"])
        for name, expected in self.task.schema.get("frames", {}).get(step, {}).items():
            profiles = self.task.schema.get("profile", {}).get(step, {}).get(name, {})
            limits = contract.checked_columns(expected)
            mark = _mark(expected, profiles)
            if not (limits or profiles) or values[name].get("checked") == mark:
                continue
            bring(name)
            self._frame(client, step, name, values[name], mark)

    def _frame(
        self, client: Client, step: str, name: str, seen: Mapping[str, Any], mark: str
    ) -> None:
        from mlops_nb.data import profile as data_profile

        expected = self.task.schema["frames"][step][name]
        profiles = self.task.schema.get("profile", {}).get(step, {}).get(name, {})
        limits = contract.checked_columns(expected)
        wanted = {c: _how(limits.get(c, {}), profiles.get(c, {})) for c in {**limits, **profiles}}
        with self._written(client, name, wanted) as reply:
            found = data_profile.read(reply)
            wrong = data_profile.failures(found, limits)
            drift = data_profile.moved(found, profiles, int(expected.get("rows", found.rows)))
        self._label(client, name, wrong)
        wrong, drift = self._masked(wrong), self._masked(drift)
        self.put(
            DataChecked(
                run=self.task.run,
                step=step,
                name=name,
                rows=reply["rows"],
                failures=tuple(wrong),
                drift=tuple(drift),
            )
        )
        if wrong:
            raise Stopped(contract.sentence(step, name, reply["rows"], wrong))
        client.ask("inspect.columns.mark", digest=seen["digest"], mark=mark)

    def _label(self, client: Client, name: str, wrong: list[dict[str, Any]]) -> None:
        """Replace the row number of each example by the label of the row."""
        examples = [e for one in wrong for e in one["examples"]]
        if examples:
            rows = [e["row"] for e in examples]
            labels = client.ask("inspect.columns.labels", name=name, rows=rows)["labels"]
            for example, label in zip(examples, labels, strict=True):
                example["row"] = label

    def _masked(self, description: Any) -> Any:
        """Return a description of values without secrets."""
        if isinstance(description, str):
            for secret in filter(None, self.task.secrets):
                description = description.replace(secret, "•••")
        elif isinstance(description, list):
            return [self._masked(one) for one in description]
        elif isinstance(description, dict):
            return {key: self._masked(value) for key, value in description.items()}
        return description

    def profiled(self, client: Client, step: str, values: Values) -> Values:
        """Add the profiles of a step's frames, which schema.json is made of."""
        return (
            values
            if step not in self.task.profile
            else {
                name: {**seen, **self._profile(client, name, seen["schema"]["columns"])}
                if seen.get("schema", {}).get("columns")
                else seen
                for name, seen in values.items()
            }
        )

    def _profile(self, client: Client, name: str, kinds: Columns) -> dict[str, Any]:
        from mlops_nb.data import profile as data_profile

        try:
            with self._written(client, name, None) as reply:
                found = data_profile.profile(data_profile.read(reply), kinds)
        except Stopped:  # then only its column types are checked
            return {}
        kept = {c: one for c, one in found.items() if not self._tells(one)}
        return {
            "asks": {c: one["asks"] for c, one in kept.items()},
            "profile": {c: one["profile"] for c, one in kept.items()},
        }

    def _tells(self, one: Mapping[str, Any]) -> bool:
        """Return whether the profile of a column contains a secret."""
        text = json.dumps(one, ensure_ascii=False)
        return any(secret in text for secret in self.task.secrets if secret)

    @contextmanager
    def _written(
        self, client: Client, name: str, wanted: Mapping[str, str] | None
    ) -> Iterator[dict[str, Any]]:
        with written(
            self.task, client, "inspect.columns.write", name=name, columns=wanted
        ) as reply:
            if "error" in reply:
                raise Stopped(f"the data of {name!r} could not be read: {reply['error']}")
            yield reply


@contextmanager
def written(task: Task, client: Client, question: str, **request: Any) -> Iterator[dict[str, Any]]:
    """Let the kernel write arrays to a temporary file; yield its answer."""
    folder = task.scratch or task.output.parent
    folder.mkdir(parents=True, exist_ok=True)
    handle, file = tempfile.mkstemp(dir=folder, prefix="columns-")
    os.close(handle)
    try:
        yield client.ask(question, file=file, **request)
    finally:
        Path(file).unlink(missing_ok=True)
        Path(f"{file}.part").unlink(missing_ok=True)


def _how(limits: Mapping[str, Any], profile: Mapping[str, Any]) -> str:
    values = {"min", "max", "categories"} & {*limits} or "shares" in profile
    return "values" if values else "missing"


def _mark(expected: Mapping[str, Any], profiles: Mapping[str, Any]) -> str:
    text = json.dumps([expected, profiles], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
