"""What an ASGI application says and is told on a socket, for one that does not take the socket itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from uvicorn.protocols.utils import ClientDisconnected
from websockets.frames import Frame, Opcode

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveEvent, ASGISendEvent

    from sanctum_messaging.ports.transport import ServerSocket

_GONE = 1006


class ASGIMessages:
    """The ``ports.transport.Listener`` of a socket, as ``receive`` and ``send``: one message is parsed at a time."""

    def __init__(self, socket: ServerSocket) -> None:
        self._socket = socket
        self._queue: asyncio.Queue[ASGIReceiveEvent] = asyncio.Queue()
        self._has_room = asyncio.Event()
        self._is_over = False

    async def receive(self) -> ASGIReceiveEvent:
        message = await self._queue.get()
        if self._queue.empty() and not self._is_over:
            self._socket.resume_reading()
        return message

    async def send(self, message: ASGISendEvent) -> None:
        """Send a message, and wait while the client does not read.

        Raises:
            ClientDisconnected: nobody takes it.
        """
        while self._socket.is_full and not self._is_over:
            self._has_room.clear()
            await self._has_room.wait()
        if self._is_over:
            raise ClientDisconnected
        if message["type"] == "websocket.close":
            self._socket.close(message.get("code") or 1000, message.get("reason") or "")
        elif message["type"] == "websocket.send":
            text, data = message.get("text"), message.get("bytes")
            frame = Frame(Opcode.BINARY, data or b"") if text is None else Frame(Opcode.TEXT, text.encode())
            self._socket.write(frame.serialize(mask=False))

    def message_received(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self._queue.put_nowait({"type": "websocket.receive", "text": message})
        else:
            self._queue.put_nowait({"type": "websocket.receive", "bytes": message})
        self._socket.pause_reading()

    def writable(self) -> None:
        self._has_room.set()

    def disconnected(self, code: int | None) -> None:
        self._is_over = True
        self._queue.put_nowait({"type": "websocket.disconnect", "code": code or _GONE, "reason": None})
        self._has_room.set()
