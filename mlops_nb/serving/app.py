"""The routes of a server, as a bare ASGI application: answering is what it does most."""

import asyncio
import hmac
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from msgspec import Struct

from mlops_nb.errors import MlopsError
from mlops_nb.serving import counts, openapi
from mlops_nb.serving.batches import ServingVersion, Shed
from mlops_nb.serving.challenger import Challenger, Traffic
from mlops_nb.serving.model_process import Unanswered
from mlops_nb.serving.rows import BadRequest, BodyTooLarge, Malformed, RowReader, of_invocation
from mlops_nb.serving.settings import HoldOut

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
JSON, TEXT = b"application/json", b"text/plain; version=0.0.4"
POSTS = {"/predict", "/invocations"}
DRAINED = 4  # times the limit, of a body that is too large, is read before it is refused
MOST_ID = 200  # characters of a request's id
MOST_SHADOWED = 200  # requests that wait for a challenger that answers beside
LIVE, CANARY, SHADOW = "live", "canary", "shadow"


class Answered(Struct, frozen=True, kw_only=True):
    """A request that was answered.

    rows:    as they came; columns: as the model got them
    source:  live, canary or shadow
    seconds: from the check of its rows to the answer
    """

    version: ServingVersion
    ids: list[str]
    rows: list[dict[str, Any]]
    columns: Mapping[str, list[Any]]
    answer: Mapping[str, Any]
    seconds: float
    source: str = LIVE


class Serving:
    """What a front serves now.

    log:  records answered rows; it never waits
    keys: of which a caller must send one, () for an open server
    """

    def __init__(
        self, model: str, log: Callable[[Answered], None], *, most_bytes: int, most_rows: int
    ) -> None:
        self.model, self.log = model, log
        self.most_bytes, self.most_rows = most_bytes, most_rows
        self.keys: tuple[bytes, ...] = ()
        self.version: ServingVersion | None = None
        self.reader: RowReader | None = None
        self.challenger: Challenger | None = None
        self.beside: tuple[str, ...] = ()  # columns that are logged although no model takes them
        self.holdout = HoldOut(model=model)
        self.since = ""
        self.shadowing: set[asyncio.Task[None]] = set()
        self.counts = counts.Counts()
        self.others: Mapping[str, float] = {}  # the sums of the other fronts

    def switch(self, version: ServingVersion, since: str) -> ServingVersion | None:
        """Let a version answer from now on; return the one before."""
        before, self.version, self.since = self.version, version, since
        self.reader = self._reader(version)
        self.counts.add("mlops_nb_swaps_total")
        if self.challenger is not None and self.challenger.version is version:
            self.challenger = None
        return before

    def challenge(self, version: ServingVersion | None, traffic: Traffic) -> None:
        """Let a version answer beside from now on; None ends that."""
        self.challenger = None
        if version is not None:
            made = self._reader(version)
            self.challenger = Challenger(version=version, reader=made, traffic=traffic)

    def _reader(self, version: ServingVersion) -> RowReader:
        return RowReader(version.package.signature, self.most_rows, self.beside)

    def log_beside(self, names: Iterable[str], holdout: HoldOut) -> None:
        """Log columns from now on although no model takes them, and hold some entities out."""
        self.beside, self.holdout = tuple(names), holdout
        if self.reader is not None and self.version is not None:
            before, self.reader = self.reader, self._reader(self.version)
            self.reader.unknown, self.reader.missing = before.unknown, before.missing
        if self.challenger is not None:
            self.challenge(self.challenger.version, self.challenger.traffic)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        began = time.perf_counter()
        status, kind, body = await self._answered(scope, receive)
        if scope["path"] in POSTS:
            self.counts.time(time.perf_counter() - began)
        self.counts.add("mlops_nb_requests_total", status=status, path=_known(scope["path"]))
        head = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        if status == 503:  # noqa: PLR2004
            head.append((b"retry-after", b"1"))
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": body})

    async def _answered(
        self, scope: Mapping[str, Any], receive: Receive
    ) -> tuple[int, bytes, bytes]:
        try:
            if scope["path"] in POSTS:
                return await self._post(scope, receive)
            return self._get(scope)
        except BadRequest as error:
            return _error(error.status, error)
        except (Shed, Unanswered) as error:
            if isinstance(error, Shed):
                self.counts.add("mlops_nb_shed_total")
            return _error(503, error)

    async def _post(self, scope: Mapping[str, Any], receive: Receive) -> tuple[int, bytes, bytes]:
        if scope["method"] != "POST":
            return _error(405, MlopsError("this route takes POST", fix="send a body by POST"))
        if self.keys and not self._has_key(scope):
            return _error(
                401, MlopsError("no valid API key", fix="send `Authorization: Bearer KEY`")
            )
        body = await self._body(scope, receive)
        if self.version is None or self.reader is None:
            return _error(503, MlopsError("no version serves yet", fix="try again in a moment"))
        if scope["path"] == "/invocations":
            answer = await self._predict(of_invocation(body), None)
            return 200, JSON, orjson.dumps({"predictions": answer["predictions"]})
        if not isinstance(body, dict) or "rows" not in body:
            raise Malformed("the body has no `rows`", fix='send {"rows": [{column: value}]}')
        return 200, JSON, orjson.dumps(await self._predict(body["rows"], body.get("request_ids")))

    async def _predict(self, rows: Any, given: Any) -> dict[str, Any]:
        version, reader, challenger = self.version, self.reader, self.challenger
        assert version is not None
        assert reader is not None
        columns = reader.columns_of(rows)
        ids = _ids(given, len(rows))
        answered = None
        if challenger is not None and challenger.takes(rows, ids):
            answered = await self._beside(challenger, rows, ids, CANARY)
        if answered is None:
            began = time.perf_counter()
            answer = await version.ask(columns, len(rows)) if rows else EMPTY
            answered = Answered(
                version=version,
                ids=ids,
                rows=rows,
                columns=columns,
                answer=answer,
                seconds=time.perf_counter() - began,
            )
            if challenger is not None and challenger.traffic.shadow:
                self._shadow(challenger, rows, ids)
        number = answered.version.package.version
        self.counts.add("mlops_nb_rows_total", len(rows), model_version=number)
        if rows:
            self.log(answered)
        told = {
            "predictions": answered.answer["predictions"],
            "scores": answered.answer["scores"],
            "request_ids": ids,
            "model_version": number,
        }
        if self.holdout.share:
            told["holdout"] = self.holdout.of_rows(answered.columns, ids)
        return told

    async def _beside(
        self, challenger: Challenger, rows: list[dict[str, Any]], ids: list[str], source: str
    ) -> Answered | None:
        """Return the challenger's answer to a request, None if it has none: the champion's counts.

        What it cannot answer is counted.
        """
        began = time.perf_counter()
        try:
            columns = challenger.reader.columns_of(rows)
            answer = await challenger.version.ask(columns, len(rows))
        except (BadRequest, Shed, Unanswered):
            self.counts.add("mlops_nb_challenger_failed_total", source=source)
            return None
        return Answered(
            version=challenger.version,
            ids=ids,
            rows=rows,
            columns=columns,
            answer=answer,
            seconds=time.perf_counter() - began,
            source=source,
        )

    def _shadow(self, challenger: Challenger, rows: list[dict[str, Any]], ids: list[str]) -> None:
        """Let the challenger answer as well, for the log alone; nobody waits for it."""
        if len(challenger.version.queue) >= MOST_SHADOWED:
            self.counts.add("mlops_nb_challenger_failed_total", source=SHADOW)
            return

        async def work() -> None:
            if found := await self._beside(challenger, rows, ids, SHADOW):
                self.log(found)

        task = asyncio.create_task(work())
        self.shadowing.add(task)
        task.add_done_callback(self.shadowing.discard)

    async def _body(self, scope: Mapping[str, Any], receive: Receive) -> Any:
        length = int(dict(scope["headers"]).get(b"content-length", b"0") or 0)
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            size += len(message.get("body", b""))
            if max(size, length) > self.most_bytes:
                if message.get("more_body") and size < DRAINED * self.most_bytes:
                    continue  # a caller that still sends would see no answer
                raise BodyTooLarge(
                    f"the body has more than {self.most_bytes} bytes",
                    fix="send fewer rows at once, or use mlops-nb predict for a file",
                )
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                break
        try:
            return orjson.loads(b"".join(parts))
        except orjson.JSONDecodeError as error:
            what = f"the body is no JSON: {error}"
            raise Malformed(what, fix='send {"rows": [{column: value}]}') from None

    def _has_key(self, scope: Mapping[str, Any]) -> bool:
        headers = dict(scope["headers"])
        given = headers.get(b"authorization", b"").removeprefix(b"Bearer ")
        given = given or headers.get(b"x-api-key", b"")
        return any(hmac.compare_digest(given, key) for key in self.keys)

    def _get(self, scope: Mapping[str, Any]) -> tuple[int, bytes, bytes]:
        path, version = scope["path"], self.version
        if path in {"/health", "/ping"}:
            return 200, JSON, b'{"status":"ok"}'
        if path == "/metrics":
            return 200, TEXT, self._metrics().encode()
        if path not in {"/ready", "/model", "/openapi.json"}:
            return _error(404, MlopsError("there is no such route", fix="GET /openapi.json"))
        if version is None:
            return _error(503, MlopsError("no version serves yet", fix="try again in a moment"))
        if path == "/openapi.json":
            return 200, JSON, orjson.dumps(openapi.description(version.package))
        number = version.package.version
        told: dict[str, Any] = {
            "model": self.model,
            "model_version": number,
            "since": self.since,
        }
        if lookups := version.package.lookups:
            now = datetime.now(UTC)
            told["lookups"] = [
                {"table": one.table, "age": one.age(now), "max_age": one.max_age} for one in lookups
            ]
        return 200, JSON, orjson.dumps(told)

    def _metrics(self) -> str:
        own = counts.Counts()
        if self.reader is not None:
            for name, count in self.reader.unknown.items():
                own.add("mlops_nb_unknown_columns_total", count, column=name)
            for name, count in self.reader.missing.items():
                own.add("mlops_nb_missing_columns_total", count, column=name)
        if self.version is not None:
            own.add("mlops_nb_restarts_total", self.version.restarts)
        values = counts.summed([self.counts.values, own.values, self.others])
        number = self.version.package.version if self.version is not None else 0
        gauges = {"mlops_nb_model_version": float(number)}
        if self.version is not None:
            gauges["mlops_nb_waiting_requests"] = float(len(self.version.queue))
            for one in self.version.package.lookups:
                name = counts.series("mlops_nb_lookup_age_seconds", {"table": one.table})
                gauges[name] = one.age(datetime.now(UTC))
        return counts.text(values, gauges)


EMPTY: Mapping[str, Any] = {"predictions": [], "scores": None, "features": None}


def _known(path: str) -> str:
    """Return a path that is a route, so that strange ones make no new series."""
    return path if path in openapi.ROUTES else "other"


def _ids(given: Any, count: int) -> list[str]:
    """Return the ids of a request's rows, those of the caller where they are given."""
    if given is None:
        made = os.urandom(16).hex()
        return [made] if count == 1 else [f"{made}-{n}" for n in range(count)]
    texts = isinstance(given, list) and all(isinstance(one, str) for one in given)
    if not texts or len(given) != count or not all(0 < len(one) <= MOST_ID for one in given):
        raise Malformed(
            f"`request_ids` are not {count} texts of 1 to {MOST_ID} characters, one a row",
            fix="send one for each row, or none",
        )
    return list(given)


def _error(status: int, error: MlopsError) -> tuple[int, bytes, bytes]:
    told = {"error": error.what, "fix": error.fix, "where": error.where}
    return status, JSON, orjson.dumps(told)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
