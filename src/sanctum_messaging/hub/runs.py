"""What many come back to at once: all that followed a position in the same conversations, found once for them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.hub.user import is_for_all

if TYPE_CHECKING:
    from collections.abc import Collection

    from sanctum_messaging.domain.model import ConversationId, Cursor, Position
    from sanctum_messaging.hub.ring import Ring

_MOST_BYTES = 64 * 1024
"""After these a run is not gone on with; who has missed more reads pages of his own."""
_REMEMBERED = 64
"""Runs that are kept while the log stands still. Their frames are the ring's."""

Run = tuple[list[tuple["Cursor", bytes, int]], int]
"""Frames, each with its cursor and as one, and how many bytes they are together."""


class Runs:
    """Runs of frames up to the ring's tail, each found when it is first asked for and kept until the tail moves."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._tail = ring.tail
        self._known: dict[tuple[Position, tuple[ConversationId, ...]], Run | None] = {}

    def find(self, conversations: Collection[ConversationId], after: Position) -> Run | None:
        """Find all frames of some conversations behind a position that the ring covers.

        Not all of them, and more bytes than fit into a page, if they are too many. None if not everybody in these
        conversations sees all of them.
        """
        if self._tail is not self._ring.tail or len(self._known) >= _REMEMBERED:
            self._tail = self._ring.tail
            self._known.clear()
        moved = tuple(self._ring.find_moved(conversations, after))
        if (after, moved) not in self._known:
            self._known[after, moved] = self._collect(moved, after)
        return self._known[after, moved]

    def _collect(self, moved: Collection[ConversationId], after: Position) -> Run | None:
        frames: list[tuple[Cursor, bytes, int]] = []
        size = 0
        for entry in self._ring.entries(moved, after):
            if not is_for_all(entry.event):
                return None
            frames.append((entry.event.cursor, entry.frame, 1))
            size += len(entry.frame)
            if size > _MOST_BYTES:
                break
        return frames, size
