"""What is said without an answer to wait for: that one types, and how far one has read."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from sanctum_messaging.protocol.frames import Read, Typing

if TYPE_CHECKING:
    from sanctum_messaging.protocol.client_session import Reply

_READ = "read-"


class Remarks:
    """Of each conversation the newest only. A read marker is said again until it was answered, typing never."""

    def __init__(self) -> None:
        """Begin with nothing to say."""
        self._typing: dict[str, bool] = {}
        self._reads: dict[str, tuple[int, str]] = {}
        """The highest seq of each conversation that was not answered, and the id of its frame."""
        self._numbers = itertools.count(1)
        self._unwritten: set[str] = set()
        """The conversations whose marker was not written on this connection."""

    def type(self, conversation_id: str, *, on: bool) -> None:
        """Say that one types, or stopped, if there is a connection."""
        self._typing[conversation_id] = on

    def read(self, conversation_id: str, seq: int) -> None:
        """Move the read marker, now or once there is a connection."""
        if seq > self._reads.get(conversation_id, (-1, ""))[0]:
            self._reads[conversation_id] = seq, f"{_READ}{next(self._numbers)}"
            self._unwritten.add(conversation_id)

    def restart(self) -> None:
        """A new connection is open, on which nothing was written. What was typed before it is history."""
        self._typing.clear()
        self._unwritten = set(self._reads)

    def find_due(self) -> Typing | Read | None:
        """Take what is to be written next, or none for now."""
        if self._typing:
            conversation_id, on = self._typing.popitem()
            return Typing(conversation_id=conversation_id, on=on)
        if self._unwritten:
            conversation_id = self._unwritten.pop()
            seq, frame_id = self._reads[conversation_id]
            return Read(conversation_id=conversation_id, seq=seq, id=frame_id)
        return None

    def answer(self, reply: Reply) -> bool:
        """Take the answer to a read marker; tell whether it was one. A refused one is not said again."""
        if not isinstance(reply.id, str) or not reply.id.startswith(_READ):
            return False
        self._reads = {key: mark for key, mark in self._reads.items() if mark[1] != reply.id}
        self._unwritten &= self._reads.keys()
        return True
