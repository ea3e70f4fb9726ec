"""The connections of callers: the head and the body of an answer go to the system at once."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class JoinedWrites:
    """A transport that sends in one call of the system what one turn of the event loop writes.

    A write to a socket costs a quarter of all that an answer takes of the front.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.loop = asyncio.get_running_loop()
        self.waiting: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send bytes with all others of this turn."""
        if not self.waiting:
            self.loop.call_soon(self._send)
        self.waiting.append(data)

    def close(self) -> None:
        """Send what waits, and close the connection."""
        self._send()
        self.transport.close()

    def _send(self) -> None:
        waiting, self.waiting = self.waiting, []
        if waiting and not self.transport.is_closing():
            self.transport.write(b"".join(waiting))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)


class Connection(HttpToolsProtocol):
    """Uvicorn's HTTP over `JoinedWrites`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to read requests."""
        super().connection_made(cast("asyncio.Transport", JoinedWrites(transport)))
