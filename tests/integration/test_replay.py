"""A long replay, page by page: asked amid it, broken off amid it, and with more being written all the time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.protocol.client_session import ClientSession
from tests.e2e.in_process import serve_here
from tests.fault.checker import check
from tests.fault.device import Device
from tests.fault.recorder import Drained, Recorder
from tests.fault.stored_log import read_stored_log

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from tests.e2e.in_process import Here

BEGINNING = "0-00000000"
MISSED = 400
BODY = "x" * 4_000
"""400 of these fill 25 pages, and what a connection may leave unread many times over."""


@pytest.fixture
async def here(tmp_path: Path) -> AsyncGenerator[Here]:
    async with serve_here(tmp_path) as here:
        yield here


@pytest.fixture
async def devices(here: Here) -> AsyncGenerator[tuple[Device, Device, Recorder]]:
    recorder = Recorder()
    async with AsyncExitStack() as stack:
        ann, bob = [
            await stack.enter_async_context(
                Device(here.base_url, here.token(user), user=user, name=f"{user}'s phone", recorder=recorder)
            )
            for user in ("ann", "bob")
        ]
        yield ann, bob, recorder


async def _write(ann: Device, conversation_id: str, name: str, count: int) -> None:
    sends = [ann.record_send(conversation_id, f"{name}-{number}", BODY) for number in range(count)]
    assert {pending.outcome for pending in await asyncio.gather(*sends)} == {"ok"}


async def test_a_replay_that_is_asked_for_its_cursor_all_the_time(
    here: Here, devices: tuple[Device, Device, Recorder]
) -> None:
    """No answer may name a cursor that the frames before it have not reached.

    How many answers fall into the replay is up to the machine; tests/unit/hub/test_any_order.py asks at every step.
    """
    ann, bob, recorder = devices
    conversation_id = (await ann.record_create({"bob": "member"})).answer["conversation"]["id"]
    await _write(ann, conversation_id, "missed", MISSED)
    bob.session = ClientSession(cursor=BEGINNING)
    async with bob.listen() as socket:
        writing = asyncio.create_task(_write(ann, conversation_id, "meanwhile", 50))
        while not socket.is_live:
            await socket.ping()
        await writing
        await socket.reach(await ann.read_end())
    recorder.note(Drained(bob.name, recorder.now))
    assert not check(recorder.entries, read_stored_log(here.database_path))


async def test_a_replay_that_is_broken_off_again_and_again(
    here: Here, devices: tuple[Device, Device, Recorder]
) -> None:
    """Each socket goes on where the last one ended, whether the client remembers that or the service does."""
    ann, bob, recorder = devices
    conversation_id = (await ann.record_create({"bob": "member"})).answer["conversation"]["id"]
    await _write(ann, conversation_id, "missed", MISSED)
    bob.session = ClientSession(cursor=BEGINNING)
    for attempt in range(6):
        async with bob.listen(forget=attempt in {2, 4}) as socket:
            await socket.find_events(10)
            await socket.ack()
            socket.drop()
        await _write(ann, conversation_id, f"attempt-{attempt}", 5)
    async with bob.listen() as socket:
        await socket.reach(await ann.read_end())
    recorder.note(Drained(bob.name, recorder.now))
    assert not check(recorder.entries, read_stored_log(here.database_path))
