"""Has the connections write, once per tick of the loop, that something is pending for."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_SLICE = 200
"""Connections that write per tick, about 2 ms, so that a large conversation does not hold everybody else up."""


class Writer(Protocol):
    """Who has something to write. It never raises: the others would not get their turn."""

    def write(self) -> None:
        """Write it."""
        ...


class Flush:
    """However many events are applied in a tick, each connection writes once."""

    def __init__(self) -> None:
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
        if len(self._pending) <= _SLICE:
            turn, self._pending = self._pending, {}
        else:
            turn = dict.fromkeys(islice(self._pending, _SLICE))
            for writer in turn:
                del self._pending[writer]
            self._schedule()
        for writer in turn:
            writer.write()
        if self._callbacks and not self._pending:
            callbacks, self._callbacks = self._callbacks, []
            for callback in callbacks:
                callback()
