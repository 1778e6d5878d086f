"""A socket in memory that notes what it is handed, when, and what it should not have been handed at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from sanctum_messaging.protocol.framing import payloads_of
from sanctum_messaging.protocol.session import Phase
from tests.unit.hub.in_memory import RecordingTransport

if TYPE_CHECKING:
    from sanctum_messaging.hub.connection import Connection
    from sanctum_messaging.hub.hub import WebSocketHub

_PIECE_BYTES = 16 * 1024
"""What is joined, and can't be written in part."""


class Noted(msgspec.Struct, frozen=True, rename="camel"):
    """A frame, as far as order is concerned."""

    op: str
    cursor: str | None = None
    resume_token: str | None = None


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A frame, and which log the hub followed when it was handed over: the first is 0."""

    frame: Noted
    epoch: int


class Witness(RecordingTransport):
    """Knows the promises that are about a socket, and notes each that is broken."""

    def __init__(self, hub: WebSocketHub) -> None:
        super().__init__()
        self.hub = hub
        self.frames: list[HandedOver] = []
        self.received: list[Noted] = []
        """What the peer has read of them."""
        self.faults: list[str] = []
        self.connection: Connection | None = None

    def write(self, frames: bytes) -> None:
        closing = self.connection is not None and self.connection.phase is Phase.CLOSING
        if self.gone.is_set():
            self.faults.append("written to after the end")
        if self.is_full and not closing:
            self.faults.append("written to while full")
        if not frames:
            self.faults.append("nothing was written")
        epoch = self.hub._tail.epoch
        for each in payloads_of(frames):
            self.frames.append(HandedOver(msgspec.json.decode(each, type=Noted), epoch))
        super().write(frames)

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is read or written for the peer, as long as he does nothing."""
        assert self.connection is not None
        if self.connection._dialogue._in_flight or self.connection.phase is Phase.OPENING:
            return False
        return self.connection.phase is not Phase.CATCHING_UP or (
            self.is_full and not self.connection.delivery._reading
        )

    def look(self) -> None:
        """See that no more is kept for the peer than may be."""
        assert self.connection is not None
        delivery, settings = self.connection.delivery, self.hub.settings
        held = sum(len(frames) for _, frames, _ in delivery._events)
        if delivery.pending_bytes != held:
            self.faults.append(f"{held} bytes are pending, and it is taken for {delivery.pending_bytes}")
        if self.is_full and held > max(settings.pending_bytes, settings.page_bytes) + _PIECE_BYTES:
            self.faults.append(f"{held} bytes are pending for who reads nothing")
        if delivery._events and self.connection.phase is Phase.CATCHING_UP:
            self.faults.append("events are pending for who is not live")

    def _give(self, each: bytes | int) -> None:
        if isinstance(each, bytes):
            self.received.append(msgspec.json.decode(each, type=Noted))
