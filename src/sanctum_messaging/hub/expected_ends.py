"""Ends of the log that were read before the tail was there, which it therefore has to come by.

A log that loses its newest events may still hold all that was applied here, so that the tail tells nothing. Who was
told of an end that is lost would wait for it, and take what comes to stand there for what he was told of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.domain.model import Position

if TYPE_CHECKING:
    from sanctum_messaging.domain.model import Cursor

_CONTRADICTED = ""
"""No event's tag."""


class ExpectedEnds:
    """Holds the ends above the tail: as many as reads are ahead of it."""

    def __init__(self) -> None:
        self._tags: dict[Position, str] = {}

    def __len__(self) -> int:
        return len(self._tags)

    def add(self, end: Cursor) -> None:
        """Expect the tail to come by an end."""
        if self._tags.setdefault(end.position, end.tag) != end.tag:
            self._tags[end.position] = _CONTRADICTED

    def agree(self, tail: Cursor) -> bool:
        """Tell whether what was expected here, if anything was, is what came; it is not expected any more."""
        return self._tags.pop(tail.position, tail.tag) == tail.tag

    @property
    def last(self) -> Position:
        """The highest of them."""
        return max(self._tags, default=Position(0))

    def clear(self) -> None:
        """Expect nothing."""
        self._tags.clear()
