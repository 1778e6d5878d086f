"""Writes down how far the application is, as fast as the storage takes it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sanctum_messaging.client.storage import Place

if TYPE_CHECKING:
    from sanctum_messaging.client.storage import Storage
    from sanctum_messaging.protocol.client_session import ClientSession


class Places:
    """While a place is being written the application goes on, and then the newest is: a slow storage gets few.

    A process that is killed may be given the few events again that were taken since the last was written.
    """

    def __init__(self, session: ClientSession, storage: Storage) -> None:
        """Begin with what is saved as the present place."""
        self._session = session
        self._storage = storage
        self._saved = self._present()
        self._moved = asyncio.Event()

    def look(self) -> None:
        """The place may have changed."""
        self._moved.set()

    async def run(self) -> None:
        """Save each new place; ends by cancellation, or with the error of the storage."""
        while True:
            self._moved.clear()
            await self.save()
            await self._moved.wait()

    async def save(self) -> None:
        """Save the present place, unless it is saved."""
        place = self._present()
        if place is not None and place != self._saved:
            await self._storage.save(place)
            self._saved = place

    def _present(self) -> Place | None:
        cursor = self._session.cursor
        return None if cursor is None else Place(cursor, self._session.resume_token)
