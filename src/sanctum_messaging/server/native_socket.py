"""An accepted socket of this server, as ``ports.transport.ServerSocket``: the hub writes to its connection directly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from sanctum_messaging.ports.transport import Listener


class Wire(Protocol):
    """The protocol of the connection, as far as its socket needs it."""

    transport: asyncio.Transport

    def hand_over(self, listener: Listener) -> None:
        """Tell somebody what happens, instead of an ASGI application."""

    def close(self, code: int, reason: str) -> None:
        """Send a close frame, and see to the end of the connection."""

    def pause_reading(self) -> None:
        """Parse nothing for now."""

    def resume_reading(self) -> None:
        """Parse on."""


class NativeSocket:
    """What it is given at a time is written in one piece; a frame alone is not even copied."""

    __slots__ = ("_transport", "_wire", "_write", "is_full")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._transport = wire.transport
        self._write = wire.transport.write
        self.is_full = False

    @property
    def unsent(self) -> int:
        return self._transport.get_write_buffer_size()

    def start(self, listener: Listener) -> None:
        self._wire.hand_over(listener)

    def write(self, frames: Sequence[bytes]) -> None:
        self._write(frames[0] if len(frames) == 1 else b"".join(frames))

    def close(self, code: int, reason: str) -> None:
        self._wire.close(code, reason)

    def pause_reading(self) -> None:
        self._wire.pause_reading()

    def resume_reading(self) -> None:
        self._wire.resume_reading()
