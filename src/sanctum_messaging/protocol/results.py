"""What came of a client's frame, between the hub that answers it and the API that knows how to do it."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct


@dataclass(frozen=True, slots=True)
class FrameResult:
    """A frame was done: the body of the same call over HTTP (none where there is none), and whether it was a repeat."""

    result: Struct | None = None
    replayed: bool = False
