"""What came for the application and waits until it asks."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Self

from sanctum_messaging.client.errors import ClientClosed
from sanctum_messaging.client.events import ReadSignal, TypingSignal, present_event, present_signal
from sanctum_messaging.protocol.client_session import ReceivedEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from sanctum_messaging.client.errors import SanctumError
    from sanctum_messaging.client.events import Happening
    from sanctum_messaging.protocol.client_session import ClientSession
    from sanctum_messaging.protocol.frames import Resync, SignalFrame

MAX_SIGNALS = 100
"""Signals that wait; newer ones are dropped, since a signal that waits so long says nothing any more."""


class Inbox:
    """Gives one thing after the other. Asking for the next says that the one before was taken.

    The session bounds how many events wait here; ``on_taken`` is called each time that the cursor may have moved.
    """

    def __init__(self, session: ClientSession, on_taken: Callable[[], None]) -> None:
        """Begin empty."""
        self._session = session
        self._on_taken = on_taken
        self._waiting: deque[ReceivedEvent | Resync | TypingSignal | ReadSignal] = deque()
        self._signals = 0
        self._in_hand: ReceivedEvent | Resync | None = None
        self._given: Happening | None = None
        self._ended: SanctumError | None = None
        self._changed = asyncio.Event()

    def put(self, received: ReceivedEvent | Resync) -> None:
        """Take what the session returned and wants to have taken."""
        self._waiting.append(received)
        self._changed.set()

    def put_signal(self, signal: SignalFrame) -> None:
        """Take a signal, if not too many wait."""
        presented = present_signal(signal)
        if presented is not None and self._signals < MAX_SIGNALS:
            self._signals += 1
            self._waiting.append(presented)
            self._changed.set()

    def end(self, error: SanctumError) -> None:
        """Nothing more will come; what waits is still given, and then this is raised."""
        self._ended = self._ended or error
        self._changed.set()

    def taken(self, happening: Happening) -> None:
        """Count what was given last as taken now.

        Raises:
            ValueError: something else was given last.
        """
        if happening is not self._given:
            raise ValueError("Only what was given last can be taken.")
        self._take()

    def find_untaken(self) -> Happening | None:
        """Return what was given last, if it was not taken."""
        return None if self._in_hand is None else self._given

    async def next(self) -> Happening:
        """Take what was given before, and wait for the next.

        Raises:
            ClientClosed: the client was closed.
            SanctumError: the connection ended for good.
        """
        self._take()
        while not self._waiting:
            if self._ended is not None:
                raise self._ended
            self._changed.clear()
            await self._changed.wait()
        return self._give()

    def _take(self) -> None:
        if self._in_hand is not None:
            self._session.taken(self._in_hand)
            self._in_hand = None
            self._on_taken()

    def _give(self) -> Happening:
        """Hand out the first; nothing is awaited, so a caller that is cancelled loses nothing."""
        first = self._waiting.popleft()
        if isinstance(first, TypingSignal | ReadSignal):
            self._signals -= 1
            given: Happening = first
        else:
            self._in_hand = first
            given = present_event(first) if isinstance(first, ReceivedEvent) else first
        self._given = given
        return given


class Loop:
    """One ``async for`` over an inbox. What the loop before was left with comes again, unless it was taken."""

    def __init__(self, inbox: Inbox) -> None:
        """Begin."""
        self._inbox = inbox
        self._has_begun = False

    def __aiter__(self) -> Self:
        """Give one after the other."""
        return self

    async def __anext__(self) -> Happening:
        """Give the next, until the client is closed. Raises why the connection ended for good."""
        untaken = None if self._has_begun else self._inbox.find_untaken()
        self._has_begun = True
        try:
            return untaken or await self._inbox.next()
        except ClientClosed:
            raise StopAsyncIteration from None
