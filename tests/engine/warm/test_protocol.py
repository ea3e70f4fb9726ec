"""Messages over a socket arrive whole, with their file descriptors, and are sent but once."""

import os
import socket

import pytest

from mlops_nb.engine.warm.protocol import Reader, pack, send


class ClosedWhenItHasAll:
    """A socket whose other side reads what there is, and closes, before its sender goes on."""

    def __init__(self):
        self.ours, self.theirs = socket.socketpair()
        self.reader = Reader(self.theirs)
        self.got = None

    def sendmsg(self, *told):
        sent = self.ours.sendmsg(*told)
        self.reader.feed()
        self.got = self.reader.next()
        if self.got is not None:
            self.theirs.close()
        return sent

    def sendall(self, data):
        self.ours.sendall(data)


def test_a_message_that_has_arrived_whole_is_no_failure_whatever_became_of_who_took_it():
    pipe = os.pipe()
    line = ClosedWhenItHasAll()
    send(line, {"do": "cells"}, pipe)
    assert line.got == {"do": "cells"}
    assert len(line.reader.fds) == 2
    for fd in (*pipe, *line.reader.fds):
        os.close(fd)
    line.ours.close()


def test_nobody_there_is_an_error():
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours, pytest.raises(OSError, match="pipe"):
        send(ours, {"do": "cells"})


def test_messages_come_apart_in_pieces_of_any_size():
    ours, theirs = socket.socketpair()
    big = {"text": "é" * 300_000}
    with ours, theirs:
        ours.setblocking(False)
        reader, sent = Reader(theirs), []
        for message in ({"n": 1}, big, {"n": 2}):
            data = memoryview(pack(message))
            while data:
                try:
                    data = data[ours.send(data[:7777]) :]
                except BlockingIOError:
                    reader.feed()
            while (found := reader.next()) is not None:
                sent.append(found)
        while len(sent) < 3:
            reader.feed()
            sent += iter(reader.next, None)
    assert sent == [{"n": 1}, big, {"n": 2}]
