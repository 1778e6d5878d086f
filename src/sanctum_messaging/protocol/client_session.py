"""The client's side of the protocol without its I/O: cursor, duplicates, resume and reconnects.

Write ``hello`` first on each new socket, give every text message to ``receive``, and call ``taken`` once the
application has handled an event, in order, also if the socket is gone by then: only that moves the cursor. What the
process had received and not handled when it died comes again; what it still holds is not returned twice. When the
socket is gone, ``closed`` says how long to wait, or that there is no coming back.

One socket at a time feeds the stream: the one that was welcomed last. Another that is still open, because it drained,
is read with ``receive_beside`` from then on.
"""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING

from sanctum_messaging.protocol.codec import encode_frame
from sanctum_messaging.protocol.codes import client_reconnects
from sanctum_messaging.protocol.frames import (
    Ack,
    ClientInfo,
    Hello,
    Live,
    Pong,
    Resync,
    ServerPing,
    ServerPong,
    Welcome,
)
from sanctum_messaging.protocol.received import Received, ReceivedEvent, Reply, decode_received

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ClientSession", "Received", "ReceivedEvent", "Reply"]

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0
MAX_WAITING = 1_000
"""How many events may wait for the application; a page of the service has at most 500."""
_MOST_DOUBLINGS = 6


class ClientSession:
    """What a client remembers from one socket to the next. ``cursor`` and ``resume_token`` may be kept on disk."""

    def __init__(
        self,
        *,
        cursor: str | None = None,
        resume_token: str | None = None,
        max_waiting: int = MAX_WAITING,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """Begin, or go on where an earlier process stopped; ``draw`` picks a number between two."""
        self.cursor = cursor
        self.resume_token = resume_token
        self.is_cut = False
        """Whether an event found no room. Nothing of this socket's stream is taken any more: the next goes on there."""
        self._max_waiting = max_waiting
        self._draw = draw
        self._last_seqs: dict[str, int] = {}
        """Per conversation, the last seq that was returned; holes in seq are normal and mean nothing."""
        self.is_live = False
        """Whether the application has handled all that was replayed on this socket."""
        self._waiting: deque[ReceivedEvent | Resync | str | None] = deque()
        """What the application has not handled yet, and what is reached once it has: cursors, and none for ``live``."""
        self._reached: str | None = None
        """The cursor of the last event that was returned."""
        self._abreast = True
        """Whether the socket has come to where the one before it was: until then its bare cursors may be older."""
        self._attempts = 0

    @property
    def has_room(self) -> bool:
        """Whether another event may come; otherwise it is best left unread."""
        return len(self._waiting) < self._max_waiting

    @property
    def has_half_room(self) -> bool:
        """Whether so many events may come that it is worth to ask for them."""
        return 2 * len(self._waiting) <= self._max_waiting

    def hello(self, *, token: str | None = None, client: ClientInfo | None = None) -> bytes:
        """Write the first frame of a new socket: the client's own cursor wins over what the server kept."""
        return encode_frame(Hello(token=token, cursor=self.cursor, resume_token=self.resume_token, client=client))

    def receive(self, message: str | bytes) -> Received | None:
        """Read a message; none for what is not to be handled: repeats, and ops that are newer than this client.

        Each event and each ``resync`` that is returned has to be given to ``taken``, in order, once it was handled; a
        ``resync`` is handled by reading the lists again. A ``ping`` is answered by writing ``pong()``.

        Raises:
            msgspec.DecodeError: it is no frame; whoever speaks so is not to be listened to any longer.
        """
        frame = decode_received(message)
        match frame:
            case ReceivedEvent():
                return self._receive_event(frame)
            case Resync():
                return self._receive_resync(frame)
            case Welcome():
                self._receive_welcome(frame)
            case Live():
                self._receive_live(frame)
            case ServerPing() | ServerPong():
                self._receive_cursor(frame.cursor)
            case _:
                pass
        return frame

    def receive_beside(self, message: str | bytes) -> Reply | ServerPing | None:
        """Read a message of a socket that is being left: its answers count, and nothing of its stream."""
        frame = decode_received(message)
        return frame if isinstance(frame, Reply | ServerPing) else None

    def taken(self, handled: ReceivedEvent | Resync) -> None:
        """The application has handled what ``receive`` returned; the cursor moves there.

        Raises:
            ValueError: something before it was not handled yet.
        """
        if not self._waiting or self._waiting[0] is not handled:
            raise ValueError("What was received first has to be handled first.")
        self._waiting.popleft()
        self.cursor = handled.cursor
        self._move()

    def ack(self) -> bytes | None:
        """Write an acknowledgement of all that was handled; none if there is nothing to acknowledge."""
        return None if self.cursor is None else encode_frame(Ack(cursor=self.cursor))

    def pong(self) -> bytes:
        """Write the answer to a ``ping``."""
        return encode_frame(Pong())

    def closed(self, code: int, *, retry_after: float = 0.0) -> float | None:
        """The socket is gone: return the seconds to wait before the next, or none if there must be none.

        Full jitter between nothing and a bound that doubles from 0.5 s to 30 s; never below what ``Retry-After`` or
        ``drain`` asked for.
        """
        if not client_reconnects(code):
            return None
        bound = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**self._attempts)
        self._attempts = min(self._attempts + 1, _MOST_DOUBLINGS)
        return max(retry_after, self._draw(0.0, bound))

    def _receive_welcome(self, welcome: Welcome) -> None:
        self._attempts = 0
        self.resume_token = welcome.resume_token
        if self.cursor is None:
            self.cursor = welcome.cursor
        self.is_cut = self.is_live = False
        self._waiting = deque(each for each in self._waiting if each is not None)
        self._abreast = not self._waiting and self.cursor == welcome.cursor

    def _receive_event(self, event: ReceivedEvent) -> ReceivedEvent | None:
        if event.seq <= self._last_seqs.get(event.conversation_id, 0):
            self._abreast = self._abreast or event.cursor == self._reached
            return None
        if not self._make_room():
            return None
        self._last_seqs[event.conversation_id] = event.seq
        self._reached = event.cursor
        self._waiting.append(event)
        return event

    def _receive_resync(self, resync: Resync) -> Resync | None:
        if not self._make_room():
            return None
        self._last_seqs.clear()
        self._waiting.append(resync)
        return resync

    def _make_room(self) -> bool:
        """Tell whether something new may be returned; once something could not, nothing after it may."""
        self.is_cut = self.is_cut or not self.has_room
        self._abreast = True
        return not self.is_cut

    def _receive_live(self, live: Live) -> None:
        self._receive_cursor(live.cursor)
        self._abreast = True
        if not self.is_cut:
            self._waiting.append(None)
            self._move()

    def _receive_cursor(self, cursor: str) -> None:
        if self.is_cut or not self._abreast:
            return
        if self._waiting and isinstance(self._waiting[-1], str):
            self._waiting.pop()
        self._waiting.append(cursor)
        self._move()

    def _move(self) -> None:
        """Pass what nothing unhandled stands before."""
        while self._waiting and not isinstance(reached := self._waiting[0], ReceivedEvent | Resync):
            self._waiting.popleft()
            if reached is None:
                self.is_live = True
            else:
                self.cursor = reached
