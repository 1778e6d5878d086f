"""What others do from here on: it needs nobody who waits for it, only one who is told when it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable, Generator

    from sanctum_messaging.protocol.results import FrameResult

T = TypeVar("T")


@dataclass(slots=True)
class Underway(Generic[T]):
    """A client's frame that is in a queue: its ``outcome`` comes by itself, and ``present`` makes the result of it."""

    outcome: Future[T]
    present: Callable[[T], FrameResult]

    def __await__(self) -> Generator[object, None, FrameResult]:
        """Wait for it, as for any other frame."""
        return self.present((yield from self.outcome))
