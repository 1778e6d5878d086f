"""A client that is cancelled, or left, at any moment leaves nothing behind and loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from sanctum_messaging.client import Client, MessageEvent, Place, SendMessage
from tests.conformance.python_client_run import KeptOutbox
from tests.hand_time import HandLoop, hand_loop
from tests.scripted_service import START, ScriptedService

if TYPE_CHECKING:
    from sanctum_messaging.client import Outgoing


class SlowStorage:
    """Takes a turn of the loop for everything, so that it can be interrupted."""

    def __init__(self) -> None:
        self.place: Place | None = None

    async def load(self) -> Place | None:
        await asyncio.sleep(0)
        return self.place

    async def save(self, place: Place) -> None:
        await asyncio.sleep(0)
        self.place = place


class SlowOutbox(KeptOutbox):
    async def load(self) -> tuple[Outgoing, ...]:
        await asyncio.sleep(0)
        return await super().load()

    async def add(self, outgoing: Outgoing) -> None:
        await asyncio.sleep(0)
        await super().add(outgoing)
        await asyncio.sleep(0)

    async def remove(self, outgoing: Outgoing) -> None:
        await asyncio.sleep(0)
        await super().remove(outgoing)


class Story:
    """What is interrupted: sends, events, a break, a drain, and a refused token."""

    def __init__(self) -> None:
        self.service = ScriptedService()
        self.storage = SlowStorage()
        self.outbox = SlowOutbox()
        self.taken: list[int] = []
        self.done: list[str] = []
        self._tokens = 0

    async def run(self) -> None:
        hand_loop().run_freely()
        service = self.service
        async with Client(
            "http://scripted",
            token=self._give_token,
            cursor=START,
            storage=self.storage,
            outbox=self.outbox,
            open_socket=service.network,
            draw=lambda low, high: high,
        ) as chat:
            sending = await chat.submit(SendMessage("one", "m1", "One"))
            async for event in chat.events():
                assert isinstance(event, MessageEvent)
                self.taken.append(event.seq)
                if event.seq == 1:
                    service.listeners[-1].socket.push({"op": "authRequired", "expiresAt": "soon"})
                    service.listeners[-1].socket.push({"op": "drain", "reconnectInMs": 1_000})
                    await chat.send("one", "Two", client_message_id="m2")
                elif event.seq == 2:
                    await asyncio.sleep(2)  # So that the drained client has its next socket.
                    service.listeners[-1].socket.end(4005)
                    await chat.send("one", "Three", client_message_id="m3")
                elif event.seq == 3:
                    chat.taken(event)
                    break
            await sending
            self.done.append("all")

    async def _give_token(self) -> str:
        await asyncio.sleep(0)
        self._tokens += 1
        return f"t{self._tokens}"


FindVictims = Callable[[asyncio.AbstractEventLoop], Iterable[asyncio.Task[Any]]]


def the_application(loop: asyncio.AbstractEventLoop) -> Iterable[asyncio.Task[Any]]:
    return (task for task in asyncio.all_tasks(loop) if task.get_name() == "application")


class InterruptingLoop(HandLoop):
    """Cancels tasks at a certain turn, when everybody is at some await."""

    def __init__(self, interrupt_at: int, find_victims: FindVictims) -> None:
        super().__init__()
        self.turns = 0
        self._interrupt_at = interrupt_at
        self._find_victims = find_victims

    def _run_once(self) -> None:
        self.turns += 1
        if self.turns == self._interrupt_at:
            for task in self._find_victims(self):
                task.cancel()
        super()._run_once()  # type: ignore[misc] # It is not part of the public interface.


def play(story: Story, interrupt_at: int, find_victims: FindVictims) -> tuple[int, set[asyncio.Task[Any]]]:
    """Play it, interrupted at a turn; return how many turns it took, and the tasks that were left."""
    loop = InterruptingLoop(interrupt_at, find_victims)
    try:
        with pytest.raises(asyncio.CancelledError) if interrupt_at > 0 else nullcontext():
            loop.run_until_complete(loop.create_task(story.run(), name="application"))
        return loop.turns, asyncio.all_tasks(loop)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@pytest.mark.parametrize("find_victims", [the_application, asyncio.all_tasks], ids=["application", "everybody"])
def test_at_every_await(find_victims: FindVictims) -> None:
    whole = Story()
    turns, left = play(whole, -1, find_victims)
    assert (whole.done, whole.taken, left) == (["all"], [1, 2, 3], set())
    assert len(whole.service.listeners) >= 3
    for turn in range(2, turns - 1):
        story = Story()
        _, left = play(story, turn, find_victims)
        assert not left, turn
        assert not [each for each in story.service.network.sockets if not each.is_closed], turn
        assert_nothing_lost(story, turn)


def assert_nothing_lost(story: Story, turn: int) -> None:
    """What another process would go on from fits what happened."""
    kept = [outgoing.message.client_message_id for outgoing in story.outbox.kept]
    assert len(kept) == len(set(kept)), turn
    position = 0 if story.storage.place is None else int(story.storage.place.cursor.partition("-")[0])
    assert position <= len(story.taken), turn
    assert position >= len(story.taken) - 1, turn
