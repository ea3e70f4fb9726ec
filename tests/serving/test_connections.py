"""What callers get over joined writes is what uvicorn alone sends, byte by byte."""

import asyncio
import random
import socket
import threading

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mlops_nb.serving.connections import Connection, JoinedWrites

BODY = b'{"rows": [{"age": 1}]}'
POST = b"POST /predict HTTP/1.1\r\nhost: a\r\n"
SIZED = POST + b"content-length: %d\r\n" % len(BODY)
REQUESTS = {
    "post": SIZED + b"\r\n" + BODY,
    "get": b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n",
    "head": b"HEAD /health HTTP/1.1\r\nhost: a\r\n\r\n",
    "chunked": POST + b"transfer-encoding: chunked\r\n\r\n16\r\n" + BODY + b"\r\n0\r\n\r\n",
    "waits for 100": SIZED + b"expect: 100-continue\r\n\r\n" + BODY,
    "parts": b"GET /parts HTTP/1.1\r\nhost: a\r\n\r\n",
    "empty": b"GET /empty HTTP/1.1\r\nhost: a\r\n\r\n",
    "big": b"GET /big HTTP/1.1\r\nhost: a\r\n\r\n",
}
LAST = {
    "closed": b"GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    "old": b"GET /health HTTP/1.0\r\n\r\n",
    "malformed": b"NOT HTTP\r\n\r\n",
    "raises": b"GET /raises HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
}


async def app(scope, receive, send):
    """Answer with what was read; some paths answer in a way of their own."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    path = scope["path"]
    if path == "/raises":
        raise ValueError(path)
    parts = {"/parts": [b"a", b"", b"b" * 9], "/empty": [b""], "/big": [b"x" * 3_000_000]}
    found = parts.get(path, [body or b"ok"])
    headers = [(b"content-length", b"%d" % len(found[0]))] if len(found) == 1 else []
    status = 204 if path == "/empty" else 200
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for place, part in enumerate(found):
        last = place == len(found) - 1
        await send({"type": "http.response.body", "body": part, "more_body": not last})


@pytest.fixture(scope="module")
def ports():
    """Two servers: over joined writes, and of uvicorn alone."""
    servers, threads, found = [], [], []
    for protocol in (Connection, HttpToolsProtocol):
        config = uvicorn.Config(
            app, http=protocol, lifespan="off", log_level="critical", date_header=False
        )
        server, listening = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        servers.append(server)
        threads.append(thread)
        found.append(listening.getsockname()[1])
    yield found
    for server, thread in zip(servers, threads, strict=True):
        server.should_exit = True
        thread.join()


def answers(port, sent):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as caller:
        caller.sendall(sent)
        found = b""
        while part := caller.recv(65536):
            found += part
    return found


@pytest.mark.parametrize("seed", range(30))
def test_the_bytes_are_those_of_uvicorn(ports, seed):
    draw = random.Random(seed)
    names = draw.choices(list(REQUESTS), k=draw.randint(0, 6))
    sent = b"".join(REQUESTS[name] for name in names) + LAST[draw.choice(list(LAST))]
    joined, alone = (answers(port, sent) for port in ports)
    assert joined == alone
    assert joined.startswith(b"HTTP/1.1 ")


class Recorded(asyncio.Transport):
    """A transport that records what is done to it."""

    def __init__(self):
        super().__init__()
        self.done, self.closing = [], False

    def write(self, data):
        self.done.append(data)

    def close(self):
        self.done.append("closed")
        self.closing = True

    def is_closing(self):
        return self.closing


def test_what_one_turn_writes_is_one_write_and_nothing_is_written_after_the_end():
    async def work():
        transport = Recorded()
        joined = JoinedWrites(transport)
        for turn in ((b"head", b"body"), (b"other",)):
            for data in turn:
                joined.write(data)
            assert not set(turn) & set(transport.done)
            await asyncio.sleep(0)
        joined.write(b"last")
        joined.close()
        joined.write(b"late")
        await asyncio.sleep(0)
        return transport.done

    assert asyncio.run(work()) == [b"headbody", b"other", b"last", "closed"]
