"""The supervisor's end: one worker's process, from its start to its end."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from typing import TYPE_CHECKING, Self

from sanctum_messaging.supervisor.link import Link, Word

if TYPE_CHECKING:
    import signal
    from collections.abc import Awaitable, Callable, Mapping, Sequence

PATIENCE_SECONDS = 1.0
"""How long a worker may take to tell its metrics: scrapers commonly give up after 10 s, and a busy event loop turns
within milliseconds."""


class Worker:
    """A process that takes connections from the listening socket that it inherits.

    Whoever reaps the process sets ``ended`` to its exit code, which is negative for a signal.
    """

    def __init__(self, process: subprocess.Popen[bytes], end: socket.socket) -> None:
        self.process = process
        self.listening = False
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._end = end
        self._link: Link | None = None
        self._own: asyncio.Future[bytes | None] | None = None

    @classmethod
    def start(cls, command: Sequence[str], listener: socket.socket, environ: Mapping[str, str]) -> Self:
        """Start the command, with the descriptors that it inherits as its last two arguments.

        It gets a session of its own, so that what a terminal sends to all its processes reaches the supervisor alone.

        Raises:
            OSError: the system does not let it start.
        """
        ours, theirs = socket.socketpair()
        inherited = (listener.fileno(), theirs.fileno())
        try:
            process = subprocess.Popen(  # noqa: S603 # The command is our own.
                [*command, *map(str, inherited)],
                stdin=subprocess.DEVNULL,
                pass_fds=inherited,
                start_new_session=True,
                env=environ,
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        return cls(process, ours)

    async def attend(self, on_listening: Callable[[], None], merge: Callable[[], Awaitable[bytes]]) -> int:
        """Listen to it as long as it runs; return its exit code."""
        link = self._link = await Link.open(self._end)
        try:
            async with asyncio.TaskGroup() as tasks:
                while (frame := await link.receive()) is not None:
                    word, body = frame
                    if word is Word.LISTENING:
                        self.listening = True
                        on_listening()
                    elif word is Word.OWN:
                        self._resolve(body)
                    elif word is Word.GIVE_MERGED:
                        tasks.create_task(_send_merged(link, merge))
                self.listening = False
            return await self.ended
        finally:
            self._resolve(None)
            link.close()

    async def ask_metrics(self) -> bytes | None:
        """Return its metrics, or None if it does not tell them in time."""
        if not self.listening or self._link is None:
            return None
        if self._own is None:
            self._own = asyncio.get_running_loop().create_future()
            self._link.send(Word.GIVE_OWN)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await asyncio.shield(self._own)
        except TimeoutError:
            return None

    def tell(self, number: signal.Signals) -> None:
        """Send a signal, if the process is still there."""
        if not self.ended.done():
            # The process' object would reap it if it had just ended, and `ended` would never be set.
            os.kill(self.process.pid, number)

    def _resolve(self, own: bytes | None) -> None:
        waited, self._own = self._own, None
        if waited is not None:
            waited.set_result(own)


async def _send_merged(link: Link, merge: Callable[[], Awaitable[bytes]]) -> None:
    link.send(Word.MERGED, await merge())
