"""Where a client keeps how far its application is, from one process to the next."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


class Place(msgspec.Struct, frozen=True):
    """How far an application is in its stream, and the token of its session."""

    cursor: str
    resume_token: str | None = None


class Storage(Protocol):
    """Keeps one place. An application with a database writes the cursor there, in the transaction of its own work."""

    async def load(self) -> Place | None:
        """Return what was saved last, or none."""
        ...

    async def save(self, place: Place) -> None:
        """Keep it instead of what was kept before. Never called twice at once; places in between may be left out."""
        ...


class MemoryStorage:
    """Keeps it for as long as the process lives: the default."""

    def __init__(self) -> None:
        """Begin without a place."""
        self._place: Place | None = None

    async def load(self) -> Place | None:
        """Return what was saved last."""
        return self._place

    async def save(self, place: Place) -> None:
        """Keep it."""
        self._place = place


class FileStorage:
    """Keeps it in a file that is replaced as a whole, so that a process killed at any time leaves a good one."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Name the file; its folder is made when it is first written."""
        self._path = Path(path)

    async def load(self) -> Place | None:
        """Read the file.

        Raises:
            OSError: it can't be read.
            msgspec.DecodeError: it holds something else.
        """
        return await run_in_thread(self._load)

    async def save(self, place: Place) -> None:
        """Replace the file.

        Raises:
            OSError: it can't be written.
        """
        content = msgspec.json.encode(place)
        await run_in_thread(lambda: replace_file(self._path, content))

    def _load(self) -> Place | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Place)
        except FileNotFoundError:
            return None


async def run_in_thread(work: Callable[[], Result]) -> Result:
    """Do what may wait for a disk; a caller that is cancelled waits too, so that nothing goes on behind his back."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def replace_file(path: Path, content: bytes, *, sync: bool = False) -> None:
    """Write a file so that there is the old one or the new one, and never half of it; with ``sync``, on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            if sync:
                os.fsync(file.fileno())
            Path(file.name).replace(path)
            if sync:
                _sync_folder(path.parent)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _sync_folder(folder: Path) -> None:
    """Have the name of a new file on the disk too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
