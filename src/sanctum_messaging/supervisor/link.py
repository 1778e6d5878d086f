"""The connection between the supervisor and one worker.

Each end learns from it that the other process is gone, however that happened: the system closes what a process leaves
open. Questions go both ways, and neither end asks again before it has its answer, so that what waits in a slow link is
bounded.
"""

from __future__ import annotations

import asyncio
import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import socket

_HEADER = struct.Struct(">BI")


class Word(IntEnum):
    """What a frame says."""

    LISTENING = 1
    """Worker: I take connections."""
    GIVE_OWN = 2
    """Supervisor: tell me your metrics."""
    OWN = 3
    """Worker: these are mine."""
    GIVE_MERGED = 4
    """Worker: somebody asks me for everyone's metrics."""
    MERGED = 5
    """Supervisor: these are everyone's."""


class Link:
    """One end: whole frames in both directions."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, end: socket.socket) -> Self:
        """Take over one end of a pair of sockets; ``close`` it afterwards."""
        return cls(*await asyncio.open_unix_connection(sock=end))

    async def receive(self) -> tuple[Word, bytes] | None:
        """Return the next frame, or None once the other process is gone."""
        try:
            word, size = _HEADER.unpack(await self._reader.readexactly(_HEADER.size))
            return Word(word), await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    def send(self, word: Word, body: bytes = b"") -> None:
        """Send a frame; to a process that is gone it goes nowhere."""
        if not self._writer.is_closing():
            self._writer.write(_HEADER.pack(word, len(body)) + body)

    def close(self) -> None:
        """Let the other end know that nothing follows; does nothing the second time."""
        self._writer.close()
