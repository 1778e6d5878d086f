"""Has the connections write, once per tick of the loop, that something is pending for."""

from __future__ import annotations

import asyncio
import time
from itertools import chain, islice
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_SLICE = 200
"""Connections that write per tick at most, so that a large conversation does not hold everybody else up."""
_SLICE_SECONDS = 0.002
"""How long they may take: what is left is written in the next ticks, and everything else goes on between."""
_FEW = 8
"""So many take less than that; the clock is looked at after so many."""


class Writer(Protocol):
    """Who has something to write. It never raises: the others would not get their turn."""

    def write(self) -> None:
        """Write it."""
        ...


class Flush:
    """However many events are applied in a tick, each connection writes once.

    Where many have something to write, whoever came last does so next, in turns with whoever has waited longest: one
    event to a few is not held up by many to a thousand, nor those by it.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._pending: dict[Writer, None] = {}
        self._scheduled = False
        self._callbacks: list[Callable[[], None]] = []

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call something once everybody has written for whom anything is pending by now."""
        if self._pending:
            self._callbacks.append(callback)
        else:
            callback()

    def add(self, writer: Writer) -> None:
        """Have somebody write in the next tick."""
        self._pending[writer] = None
        if not self._scheduled:
            self._schedule()

    def _schedule(self) -> None:
        self._scheduled = True
        asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        self._scheduled = False
        if len(self._pending) <= _FEW:
            few, self._pending = self._pending, {}
            for writer in few:
                writer.write()
        else:
            self._write_slice()
        if self._callbacks and not self._pending:
            callbacks, self._callbacks = self._callbacks, []
            for callback in callbacks:
                callback()

    def _write_slice(self) -> None:
        """Have them write in turns from both ends, for as long as a slice takes."""
        pending, over = self._pending, self._monotonic() + _SLICE_SECONDS
        half = min(len(pending) + 1, _SLICE) // 2
        ends = zip(islice(reversed(pending), half), islice(pending, half), strict=True)
        # Where both ends meet one of them is there twice.
        writers = list(dict.fromkeys(chain.from_iterable(ends)))
        for first in range(0, len(writers), _FEW):
            few = writers[first : first + _FEW]
            for writer in few:
                del pending[writer]
                writer.write()
            if self._monotonic() > over:
                break
        if pending and not self._scheduled:
            self._schedule()
