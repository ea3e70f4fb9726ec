"""Messages over a socket: JSON after its length, with file descriptors."""

import array
import base64
import contextlib
import json
import os
import select
import socket
import struct
from collections.abc import Iterable
from typing import Any

HEAD = struct.Struct("!I")
MOST_FDS = 8
BLOCK = 1 << 18


def pack(message: dict[str, Any]) -> bytes:
    """Return a message in the form that is sent."""
    data = json.dumps(message, default=_plain).encode("utf-8", "surrogatepass")
    return HEAD.pack(len(data)) + data


def _plain(value: Any) -> str:
    """Encode bytes and other objects as Jupyter's messages do."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return str(value)


def send(sock: socket.socket, message: dict[str, Any], fds: tuple[int, ...] = ()) -> None:
    """Send a message. Raises OSError if the other side has closed."""
    data = memoryview(pack(message))
    if fds:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
        data = data[sock.sendmsg([data], rights) :]
    if data:  # a reader that has all of it may have closed the socket
        sock.sendall(data)


def ready(files: Iterable[Any], seconds: float | None) -> list[Any]:
    """Return which of some sockets and file descriptors can be read, waiting `seconds` at most."""
    poll = select.poll()
    known = {}
    for file in files:
        fd = file if isinstance(file, int) else file.fileno()
        known[fd] = file
        poll.register(fd, select.POLLIN | select.POLLHUP)
    return [known[fd] for fd, _ in poll.poll(None if seconds is None else 1000 * max(0.0, seconds))]


class Reader:
    """Reads messages that come in pieces. `fds`: the file descriptors that came with them."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = bytearray()
        self.fds: list[int] = []
        self.ended = False

    def feed(self) -> None:
        """Read what is available, waiting for the first byte; note the end of the stream."""
        space = socket.CMSG_SPACE(MOST_FDS * array.array("i").itemsize)
        try:
            data, rights, _, _ = self.sock.recvmsg(BLOCK, space)
        except ConnectionError:
            data, rights = b"", []
        for level, kind, found in rights:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                whole = len(found) - len(found) % array.array("i").itemsize
                self.fds += array.array("i", found[:whole])
        self.buffer += data
        self.ended = self.ended or not data

    def next(self) -> dict[str, Any] | None:
        """Return the next complete message, None if there is none yet."""
        if len(self.buffer) < HEAD.size:
            return None
        (size,) = HEAD.unpack_from(self.buffer)
        if len(self.buffer) < HEAD.size + size:
            return None
        data = bytes(self.buffer[HEAD.size : HEAD.size + size])
        del self.buffer[: HEAD.size + size]
        message: dict[str, Any] = json.loads(data.decode("utf-8", "surrogatepass"))
        return message

    def wait(self) -> dict[str, Any] | None:
        """Wait for the next message and return it, None at the end of the stream."""
        while (message := self.next()) is None:
            if self.ended:
                return None
            self.feed()
        return message

    def close(self) -> None:
        """Close the socket and every file descriptor that came along."""
        self.sock.close()
        for fd in self.fds:
            with contextlib.suppress(OSError):
                os.close(fd)
        self.fds = []
