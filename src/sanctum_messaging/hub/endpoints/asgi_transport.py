"""An accepted socket of any ASGI server, as ``ports.transport.Transport``."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from sanctum_messaging.protocol.framing import payloads_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from sanctum_messaging.ports.transport import Listener

    Message = MutableMapping[str, Any]

_FULL_BYTES = 16 * 1024
"""What waits here, above which nothing more should be written; the server has a buffer of its own."""


class ASGITransport:
    """``run`` carries what is said in both directions; all else is synchronous."""

    def __init__(self, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
        self._receive = receive
        self._send = send
        self._messages: deque[bytes] = deque()
        self._closing: Message | None = None
        self._work = asyncio.Event()
        self._reads = asyncio.Event()
        self._reads.set()
        self.is_full = False
        self.unsent = 0

    async def run(self, listener: Listener) -> None:
        """Serve the socket until either side has closed it; the listener is told when the peer is gone."""
        ways = [asyncio.create_task(each) for each in (self._read(listener), self._write(listener))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Whoever still writes would write to nobody.
            self.is_full = True
            for each in ways:
                each.cancel()
            outcomes = await asyncio.gather(*ways, return_exceptions=True)
            listener.disconnected(None)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    def write(self, frames: bytes) -> None:
        self._messages.extend(payloads_of(frames))
        self.unsent += len(frames)
        self.is_full = self.is_full or self.unsent > _FULL_BYTES
        self._work.set()

    def close(self, code: int, reason: str) -> None:
        self._closing = {"type": "websocket.close", "code": code, "reason": reason}
        self._work.set()

    def pause_reading(self) -> None:
        self._reads.clear()

    def resume_reading(self) -> None:
        self._reads.set()

    async def _read(self, listener: Listener) -> None:
        while True:
            await self._reads.wait()
            message = await self._receive()
            if message["type"] != "websocket.receive":
                return
            text: str | None = message.get("text")
            listener.message_received(bytes(message["bytes"]) if text is None else text)

    async def _write(self, listener: Listener) -> None:
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                await self._write_messages(listener)
                if self._closing is not None:
                    await self._send(self._closing)
                    return
        except OSError:
            # This is what a server raises once the client is gone (ASGI, "Disconnected Client").
            return

    async def _write_messages(self, listener: Listener) -> None:
        while self._messages:
            await self._send({"type": "websocket.send", "text": self._messages.popleft().decode()})
            if self._messages:
                continue
            self.unsent = 0
            if self.is_full:
                self.is_full = False
                listener.writable()
