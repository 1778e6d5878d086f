"""Messages on their way: kept until the service acknowledged or refused them, over any number of connections."""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections import deque
from typing import TYPE_CHECKING

import msgspec
from msgspec import UnsetType

from sanctum_messaging.client.errors import OutboxFull, Refused
from sanctum_messaging.client.outbox_storage import Outgoing
from sanctum_messaging.client.sending import Sending
from sanctum_messaging.protocol.client_session import FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS
from sanctum_messaging.protocol.resources import MessageResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from sanctum_messaging.client.errors import SanctumError
    from sanctum_messaging.client.outbox_storage import OutboxStorage
    from sanctum_messaging.protocol.client_session import Reply
    from sanctum_messaging.protocol.requests import SendMessage
    from sanctum_messaging.protocol.resources import MessageResource, Problem

MAX_PENDING = 1_000
_MOST_DOUBLINGS = 6
_result_decoder = msgspec.json.Decoder(MessageResult)


class Outbox:
    """What is on its way, in the order in which it was given; the connection that is open takes from it.

    ``on_due`` is called when there is something to write.
    """

    def __init__(
        self, storage: OutboxStorage, on_due: Callable[[], None], draw: Callable[[float, float], float] = random.uniform
    ) -> None:
        """Begin; ``load`` what an earlier process left."""
        self._storage = storage
        self._on_due = on_due
        self._draw = draw
        self._numbers = 0
        self._pending: dict[str, Sending] = {}
        self._due: list[tuple[int, Sending]] = []
        self._in_flight: set[str] = set()
        self._window = 0
        self._timers: set[asyncio.TimerHandle] = set()
        self._adding = asyncio.Lock()
        self._done: deque[tuple[Sending, MessageResource | SanctumError | None]] = deque()
        self._changed = asyncio.Event()
        self._ended: SanctumError | None = None

    @property
    def pending(self) -> list[Sending]:
        """What is neither acknowledged nor refused."""
        return list(self._pending.values())

    @property
    def is_empty(self) -> bool:
        """Whether nothing is on its way."""
        return not self._pending

    async def load(self) -> None:
        """Take up what an earlier process left."""
        for outgoing in await self._storage.load():
            self._enter(self._number(outgoing))

    async def add(self, message: SendMessage) -> Sending:
        """Keep a message, and return once it is kept; it goes out as soon as it can, after those before it.

        Raises:
            OutboxFull: too much is on its way.
        """
        async with self._adding:
            if len(self._pending) >= MAX_PENDING:
                raise OutboxFull(f"{MAX_PENDING} messages wait to be sent.")
            sending = self._number(Outgoing(time.time_ns(), message))
            try:
                await self._storage.add(sending.outgoing)
            except asyncio.CancelledError:
                self._forget(sending, None)
                raise
            self._enter(sending)
        if self._ended is not None:
            sending.settle(self._ended)
        self._on_due()
        return sending

    def withdraw(self, sending: Sending) -> None:
        """Send it no more. Whether it was done is unknown if it had been written."""
        if self._pending.pop(str(sending.number), None) is not None:
            self._forget(sending, None)

    def restart(self, window: int) -> None:
        """A new connection is open, on which nothing was written; at most ``window`` may be unanswered on it."""
        self._window = window
        self._in_flight.clear()
        self._due = [(sending.number, sending) for sending in self._pending.values()]
        heapq.heapify(self._due)

    def find_due(self) -> Sending | None:
        """Return what is to be written next, or none for now."""
        while self._due and len(self._in_flight) < self._window and not self._timers:
            _, sending = heapq.heappop(self._due)
            if str(sending.number) in self._pending:
                self._in_flight.add(str(sending.number))
                return sending
        return None

    def answer(self, reply: Reply) -> bool:
        """Take the answer to a send; tell whether it was one. One that was withdrawn only makes room for another."""
        if not isinstance(reply.id, str) or not reply.id.isdecimal():
            return False
        self._in_flight.discard(reply.id)
        sending = self._pending.get(reply.id)
        if sending is None:
            self._on_due()
        elif isinstance(reply.problem, UnsetType):
            self._settle(sending, _result_decoder.decode(reply.result).message)
        elif reply.problem.retryable:
            self._postpone(sending, reply.problem)
        else:
            self._settle(sending, Refused(reply.problem))
        return True

    def end(self, error: SanctumError) -> None:
        """Nothing will be sent any more in this process."""
        self._ended = error
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for sending in self._pending.values():
            sending.settle(error)

    async def run(self) -> None:
        """Take out of the storage what is settled, and tell those who wait for it; ends by cancellation."""
        while True:
            await self.flush()
            self._changed.clear()
            await self._changed.wait()

    async def flush(self) -> None:
        """Do so with what is settled now: what is told to be done does not go out again in another process."""
        while self._done:
            sending, outcome = self._done[0]
            await self._storage.remove(sending.outgoing)
            self._done.popleft()
            if outcome is not None:
                sending.settle(outcome)

    def _number(self, outgoing: Outgoing) -> Sending:
        self._numbers += 1
        return Sending(self._numbers, outgoing)

    def _enter(self, sending: Sending) -> None:
        self._pending[str(sending.number)] = sending
        heapq.heappush(self._due, (sending.number, sending))

    def _settle(self, sending: Sending, outcome: MessageResource | SanctumError) -> None:
        del self._pending[str(sending.number)]
        self._forget(sending, outcome)
        self._on_due()

    def _forget(self, sending: Sending, outcome: MessageResource | SanctumError | None) -> None:
        self._done.append((sending, outcome))
        self._changed.set()

    def _postpone(self, sending: Sending, problem: Problem) -> None:
        """Send it again later, and nothing before it: what is behind it would be refused for the same reason."""
        bound = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** min(sending.refusals, _MOST_DOUBLINGS))
        sending.refusals += 1
        asked = 0 if isinstance(problem.retry_after_ms, UnsetType) else problem.retry_after_ms / 1000
        heapq.heappush(self._due, (sending.number, sending))

        def resume() -> None:
            self._timers.discard(timer)
            self._on_due()

        timer = asyncio.get_running_loop().call_later(max(asked, self._draw(0, bound)), resume)
        self._timers.add(timer)
