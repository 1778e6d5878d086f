"""Whatever becomes of sockets and processes, the application is given each event once, and in order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from sanctum_messaging.client import Client, MemoryStorage, MessageEvent
from tests.hand_time import hand_loop, run_by_hand
from tests.scripted_service import START, ScriptedService

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sanctum_messaging.client import Happening

Step = tuple[str, int]

STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["append one", "append two"]), st.integers(1, 3)),
        st.tuples(st.just("show"), st.integers(1, 4)),
        st.tuples(st.just("repeat"), st.integers(1, 4)),
        st.tuples(st.just("take"), st.integers(1, 4)),
        st.tuples(st.just("drain"), st.integers(0, 1_200)),
        st.tuples(st.just("close"), st.sampled_from([1006, 4000, 4001, 4003])),
        st.tuples(st.just("wait"), st.sampled_from([1, 400, 20_000, 90_000])),
        st.tuples(st.sampled_from(["ping", "signal", "garbage", "restart"]), st.just(0)),
    ),
    max_size=30,
)


class World:
    """A service that does as it is told, a client, and an application that takes when it likes."""

    def __init__(self) -> None:
        self.service = ScriptedService(by_itself=False)
        self.taken: list[tuple[str, int]] = []
        self._storage = MemoryStorage()
        self._client: Client | None = None
        self._events: AsyncIterator[Happening] | None = None
        self._in_hand: MessageEvent | None = None
        self._asking: asyncio.Task[Happening] | None = None

    async def run(self, steps: Sequence[Step]) -> None:
        await self._start()
        for kind, number in steps:
            await hand_loop().settle()
            await getattr(self, f"_{kind.partition(' ')[0]}")(number, kind)
        await self._finish()
        await self._stop()

    async def _start(self) -> None:
        self._client = Client(
            "http://scripted", token="t", cursor=START, storage=self._storage, open_socket=self.service.network
        )
        await self._client.__aenter__()
        self._events = self._client.events()
        self._ask()

    async def _stop(self) -> None:
        assert self._client is not None
        assert self._asking is not None
        await self._client.__aexit__(None, None, None)
        self._asking.cancel()
        await asyncio.gather(self._asking, return_exceptions=True)
        self._in_hand = None

    def _ask(self) -> None:
        assert self._events is not None
        if self._in_hand is not None:
            self.taken.append((self._in_hand.conversation_id, self._in_hand.seq))
        self._in_hand = None
        self._asking = asyncio.ensure_future(anext(self._events))

    async def _append(self, count: int, kind: str) -> None:
        for _ in range(count):
            self.service.append(kind.partition(" ")[2])

    async def _show(self, count: int, _: str) -> None:
        for listener in self.service.open:
            self.service.show(listener, count)

    async def _repeat(self, count: int, _: str) -> None:
        """Say again what was said on the same socket."""
        for listener in self.service.open:
            assert listener.position is not None
            listener.socket.push(*self.service.log[max(listener.began, listener.position - count) : listener.position])

    async def _take(self, count: int, _: str) -> None:
        for _each in range(count):
            await hand_loop().settle()
            self._look()
            if self._in_hand is not None:
                self._ask()

    def _look(self) -> None:
        assert self._asking is not None
        if not self._asking.done():
            return
        given = self._asking.result()
        if isinstance(given, MessageEvent):
            self._in_hand = given
        else:
            self._ask()

    async def _drain(self, milliseconds: int, _: str) -> None:
        for listener in self.service.open:
            listener.socket.push({"op": "drain", "reconnectInMs": milliseconds})

    async def _close(self, code: int, _: str) -> None:
        for listener in self.service.open:
            listener.socket.end(code)

    async def _wait(self, milliseconds: int, _: str) -> None:
        await hand_loop().advance(milliseconds / 1000)

    async def _ping(self, *_: object) -> None:
        for listener in self.service.open:
            assert listener.position is not None
            listener.socket.push({"op": "ping", "cursor": self.service.cursor(listener.position)})

    async def _signal(self, *_: object) -> None:
        for listener in self.service.open:
            listener.socket.push({"op": "signal", "type": "typing", "conversationId": "one", "userId": "b", "on": True})

    async def _garbage(self, *_: object) -> None:
        for listener in self.service.open:
            listener.socket.push_text('{"op":"event"')

    async def _restart(self, *_: object) -> None:
        """The process ends, and with it what was in hand; another goes on where the storage says."""
        await self._stop()
        await self._start()

    async def _finish(self) -> None:
        """Let the service do all that it owes, and the application take all that it gets."""
        await hand_loop().advance(120)
        while True:
            for listener in self.service.open:
                self.service.show(listener)
            before = len(self.taken)
            await self._take(1, "")
            if len(self.taken) == before and len(self.taken) >= len(self.service.log):
                return
            await hand_loop().advance(1)


@given(STEPS)
def test_each_event_is_given_once_and_in_order(steps: list[Step]) -> None:
    world = World()
    run_by_hand(world.run(steps))
    assert world.taken == [(event["conversationId"], event["seq"]) for event in world.service.log]


def test_an_application_that_is_slow_is_given_everything() -> None:
    async def main() -> list[int]:
        service = ScriptedService()
        seqs: list[int] = []
        hand_loop().run_freely()
        async with Client("http://scripted", token="t", cursor=START, open_socket=service.network) as chat:
            for _ in range(1_200):
                service.append()
            async for event in chat.events():
                assert isinstance(event, MessageEvent)
                seqs.append(event.seq)
                await asyncio.sleep(1)
                if len(seqs) == 1_200:
                    return seqs
        raise AssertionError

    assert run_by_hand(main()) == list(range(1, 1_201))


def test_an_application_that_is_slow_may_wait_for_a_send_before_it_takes_the_next() -> None:
    """The answer stands behind more events than the client keeps."""

    async def main() -> tuple[list[int], Any]:
        service = ScriptedService()
        for _ in range(1_500):
            service.append()
        seqs: list[int] = []
        hand_loop().run_freely()
        async with Client("http://scripted", token="t", cursor=START, open_socket=service.network) as chat:
            async for event in chat.events():
                assert isinstance(event, MessageEvent)
                seqs.append(event.seq)
                if event.seq == 1:
                    await chat.send("two", "Where were we?", client_message_id="q")
                if len(seqs) == 1_501:
                    return seqs, service.stored["q"]["body"]
        raise AssertionError

    seqs, sent = run_by_hand(main())
    assert seqs == [*range(1, 1_501), 1]
    assert sent == "Where were we?"
