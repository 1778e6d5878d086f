"""A worker's end of its link, with the other end in the test's hand."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.config import ConfigError
from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.supervisor import membership as module
from sanctum_messaging.supervisor.link import Link, Word
from sanctum_messaging.supervisor.membership import Membership

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    first, second = socket.socketpair()
    with first, second:
        yield first, second


@pytest.fixture
async def supervisor(ends: tuple[socket.socket, socket.socket]) -> AsyncGenerator[Link]:
    link = await Link.open(ends[0])
    yield link
    link.close()


@pytest.fixture
def membership(ends: tuple[socket.socket, socket.socket]) -> Iterator[Membership]:
    membership = Membership(socket.socket(), ends[1])
    yield membership
    membership.close()


async def test_it_tells_that_it_listens(supervisor: Link, membership: Membership) -> None:
    async with membership.joined(lambda: None):
        membership.announce()

        assert await supervisor.receive() == (Word.LISTENING, b"")
    assert await supervisor.receive() is None


async def test_it_tells_its_own_metrics_as_they_are_when_asked(supervisor: Link, membership: Membership) -> None:
    texts = iter([b"", b"x" * 1_000_000])
    membership.share_metrics(lambda: next(texts))
    async with membership.joined(lambda: None):
        for size in (0, 1_000_000):
            supervisor.send(Word.GIVE_OWN)

            assert await supervisor.receive() == (Word.OWN, b"x" * size)


async def test_one_question_answers_all_who_ask_meanwhile(supervisor: Link, membership: Membership) -> None:
    ask = membership.share_metrics(lambda: b"own")
    async with membership.joined(lambda: None):
        asking = [asyncio.ensure_future(ask()) for _ in range(3)]
        assert await supervisor.receive() == (Word.GIVE_MERGED, b"")
        supervisor.send(Word.MERGED, b"all")
        assert [await each for each in asking] == [b"all"] * 3

        later = asyncio.ensure_future(ask())
        assert await supervisor.receive() == (Word.GIVE_MERGED, b"")
        supervisor.send(Word.MERGED, b"new")
        assert await later == b"new"


async def test_who_gives_up_asking_takes_nothing_from_the_others(supervisor: Link, membership: Membership) -> None:
    ask = membership.share_metrics(lambda: b"own")
    async with membership.joined(lambda: None):
        hasty, patient = asyncio.ensure_future(ask()), asyncio.ensure_future(ask())
        assert await supervisor.receive() == (Word.GIVE_MERGED, b"")
        hasty.cancel()
        supervisor.send(Word.MERGED, b"all")

        assert await patient == b"all"


async def test_a_silent_supervisor_is_not_waited_for_long(
    supervisor: Link, membership: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = membership.share_metrics(lambda: b"own")
    async with membership.joined(lambda: None):
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 0)
        for _ in range(2):
            with pytest.raises(UnavailableError):
                await ask()
        monkeypatch.undo()

        # The answer comes after all, and there was one question.
        assert await supervisor.receive() == (Word.GIVE_MERGED, b"")
        patient = asyncio.ensure_future(ask())
        supervisor.send(Word.MERGED, b"late")
        assert await patient == b"late"


async def test_the_end_of_the_supervisor_is_noticed(supervisor: Link, membership: Membership) -> None:
    ask = membership.share_metrics(lambda: b"own")
    orphaned = asyncio.Event()
    async with membership.joined(orphaned.set):
        asking = asyncio.ensure_future(ask())
        assert await supervisor.receive() == (Word.GIVE_MERGED, b"")
        supervisor.close()

        await orphaned.wait()
        with pytest.raises(UnavailableError):
            await asking
        with pytest.raises(UnavailableError):
            await ask()


async def test_a_supervisor_that_ended_before_is_noticed_too(
    ends: tuple[socket.socket, socket.socket], membership: Membership
) -> None:
    ends[0].close()
    orphaned = asyncio.Event()
    async with membership.joined(orphaned.set):
        await orphaned.wait()
        membership.announce()


async def test_half_a_frame_is_none(ends: tuple[socket.socket, socket.socket], membership: Membership) -> None:
    orphaned = asyncio.Event()
    async with membership.joined(orphaned.set):
        ends[0].sendall(bytes([Word.MERGED, 0, 0, 0, 9, 1]))
        ends[0].close()

        await orphaned.wait()


def test_a_process_that_inherits_nothing_is_no_worker() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    os.close(writing)

    with pytest.raises(ConfigError, match="only `sanctum serve --workers` can start a worker"):
        Membership.inherit(reading, writing)
