"""Messages between the processes of a server."""

import asyncio
import socket

import pytest
import uvloop

from mlops_nb.serving.control import ControlChannel


async def _pair() -> tuple[ControlChannel, ControlChannel]:
    one, other = socket.socketpair()
    return await ControlChannel.of(one), await ControlChannel.of(other)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_messages_arrive_whole_and_in_order(loop):
    async def work() -> list[dict]:
        one, other = await _pair()
        for number in range(3):
            one.send(number=number, text="나" * 100_000)
        closing = asyncio.create_task(one.close())
        found = [await other.receive() for _ in range(4)]
        await closing
        await other.close()
        return found

    with asyncio.Runner(loop_factory=loop) as runner:
        found = runner.run(work())
    assert [message["number"] for message in found[:3]] == [0, 1, 2]
    assert found[3] is None


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("which", ["own", "other"])
def test_what_is_sent_after_an_end_was_closed_goes_nowhere(loop, which):
    async def work() -> None:
        one, other = await _pair()
        await (one if which == "own" else other).close()
        for _ in range(20):
            one.send(number=1)
            await asyncio.sleep(0.005)
        if which == "other":
            assert await one.receive() is None
        await (other if which == "own" else one).close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(work())
