"""Lines that somebody types, for a program that does other things meanwhile."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_MAX_WAITING = 100
"""A file on standard input is read no faster than its lines are taken."""


async def read_lines(stream: TextIO) -> AsyncGenerator[str]:
    """Give the lines up to the end of the stream, without their ends.

    The thread that reads them can't be told to stop while nobody types; it does not keep the process from ending.
    """
    waiting: asyncio.Queue[str | None] = asyncio.Queue(_MAX_WAITING)
    loop = asyncio.get_running_loop()

    def read() -> None:
        try:
            for line in stream:
                asyncio.run_coroutine_threadsafe(waiting.put(line.rstrip("\r\n")), loop).result()
            asyncio.run_coroutine_threadsafe(waiting.put(None), loop).result()
        except (RuntimeError, asyncio.CancelledError):
            return  # Nobody listens any more.

    threading.Thread(target=read, name="typed lines", daemon=True).start()
    while (line := await waiting.get()) is not None:
        yield line
