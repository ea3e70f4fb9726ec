"""Messages between the processes of a server: four bytes of length, little-endian, and JSON."""

import asyncio
import contextlib
import socket
import struct
from typing import Any

import orjson

HEAD = struct.Struct("<I")
MOST_WAITING = 64 * 2**20  # bytes that a front may have sent and the server not read


class ControlChannel:
    """One end of the connection of two processes: server and front, or front and version."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def of(cls, opened: socket.socket) -> "ControlChannel":
        """Return the channel of a connected socket."""
        return cls(*await asyncio.open_connection(sock=opened, limit=2**26))

    def send(self, **message: Any) -> None:
        """Send a message; it never waits, and goes nowhere once the other end is gone."""
        if self.writer.is_closing():
            return  # `receive` tells it
        data = orjson.dumps(message)
        self.writer.write(HEAD.pack(len(data)) + data)

    @property
    def full(self) -> bool:
        """Whether too much waits to be read at the other end."""
        return self.writer.transport.get_write_buffer_size() > MOST_WAITING

    async def receive(self) -> dict[str, Any] | None:
        """Return the next message, None at the end."""
        try:
            (length,) = HEAD.unpack(await self.reader.readexactly(HEAD.size))
            found: dict[str, Any] = orjson.loads(await self.reader.readexactly(length))
        except (OSError, asyncio.IncompleteReadError):
            return None
        return found

    async def close(self) -> None:
        """Send what waits, and close this end."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()
