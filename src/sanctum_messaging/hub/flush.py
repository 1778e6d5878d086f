"""Wakes, once per tick of the loop, the connections that something is pending for."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_SLICE = 200
"""Connections woken per tick, about 2 ms of writing, so that a large conversation does not hold everybody else up."""


class Flush:
    """However many events are applied in a tick, each connection is woken once."""

    def __init__(self) -> None:
        self._pending: dict[asyncio.Event, None] = {}
        self._scheduled = False
        self._callbacks: list[Callable[[], None]] = []

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call something once everybody is woken for whom anything is pending by now."""
        if self._pending:
            self._callbacks.append(callback)
        else:
            callback()

    def add(self, work: asyncio.Event) -> None:
        """Have an event set in the next tick."""
        self._pending[work] = None
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        self._scheduled = False
        for work in tuple(islice(self._pending, _SLICE)):
            del self._pending[work]
            work.set()
        if self._pending:
            self._schedule()
        elif self._callbacks:
            callbacks, self._callbacks = self._callbacks, []
            for callback in callbacks:
                callback()
