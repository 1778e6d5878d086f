"""Where messages wait that are on their way: gone with the process, or in a folder that survives it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from sanctum_messaging.client.storage import replace_file, run_in_thread
from sanctum_messaging.protocol.requests import SendMessage

if TYPE_CHECKING:
    from collections.abc import Sequence


class Outgoing(msgspec.Struct, frozen=True):
    """A message to send, and when it was given, in nanoseconds of the wall clock."""

    at: int
    message: SendMessage


class OutboxStorage(Protocol):
    """Keeps messages until they are settled."""

    async def load(self) -> Sequence[Outgoing]:
        """Return what is kept, in the order in which it was given."""
        ...

    async def add(self, outgoing: Outgoing) -> None:
        """Keep a message; once this returns, it is kept. Called for one message at a time."""
        ...

    async def remove(self, outgoing: Outgoing) -> None:
        """Keep it no longer; it may not be there."""
        ...


class MemoryOutbox:
    """Keeps nothing beyond the process: the default."""

    async def load(self) -> Sequence[Outgoing]:
        """Return nothing."""
        return ()

    async def add(self, outgoing: Outgoing) -> None:
        """Do nothing: the process has it."""

    async def remove(self, outgoing: Outgoing) -> None:
        """Do nothing."""


class FileOutbox:
    """Keeps each message in a file of its own in a folder; on the disk before ``add`` returns.

    Two processes may share the folder: both send what an earlier one left, and the service takes it once.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Name the folder; it is made with the first message."""
        self._folder = Path(folder)

    async def load(self) -> Sequence[Outgoing]:
        """Read the folder.

        Raises:
            OSError: it can't be read.
            msgspec.DecodeError: a file holds something else.
        """
        return await run_in_thread(self._load)

    async def add(self, outgoing: Outgoing) -> None:
        """Write the message's file.

        Raises:
            OSError: it can't be written.
        """
        content = msgspec.json.encode(outgoing)
        await run_in_thread(lambda: replace_file(self._path_of(outgoing), content, sync=True))

    async def remove(self, outgoing: Outgoing) -> None:
        """Delete the message's file."""
        await run_in_thread(lambda: self._path_of(outgoing).unlink(missing_ok=True))

    def _load(self) -> Sequence[Outgoing]:
        found = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=Outgoing))
            except FileNotFoundError:
                continue  # Another process has sent it in between.
        return found

    def _path_of(self, outgoing: Outgoing) -> Path:
        return self._folder / f"{outgoing.at:020}-{outgoing.message.client_message_id}.json"
