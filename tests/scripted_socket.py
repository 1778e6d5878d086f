"""Sockets whose other end is a test, for clients that are given their transport."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import TYPE_CHECKING, Any

from sanctum_messaging.client.problems import read_problem
from sanctum_messaging.client.sockets import NO_CODE, SocketGone, SocketRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from sanctum_messaging.client.sockets import Socket


class ScriptedSocket:
    """One end is the client's; ``said`` is what it wrote."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.said: deque[dict[str, Any]] = deque()
        self.is_closed = False
        """Whether the client closed it."""
        self.react: Callable[[dict[str, Any]], None] = lambda _: None
        """Called with what the client says."""
        self._coming: deque[str] = deque()
        self._code: int | None = None
        self._changed = asyncio.Event()

    @property
    def is_open(self) -> bool:
        return self._code is None and not self.is_closed

    def push(self, *frames: dict[str, Any]) -> None:
        """Say something to the client."""
        self._coming.extend(json.dumps(frame) for frame in frames)
        self._changed.set()

    def push_text(self, text: str) -> None:
        """Say what may be no frame."""
        self._coming.append(text)
        self._changed.set()

    def end(self, code: int = NO_CODE) -> None:
        """Close it, or break it without a code; what was said before is still read."""
        self._code = code
        self._changed.set()

    async def send(self, text: str) -> None:
        await asyncio.sleep(0)
        if not self.is_open:
            raise SocketGone(self._code or NO_CODE)
        frame = json.loads(text)
        self.said.append(frame)
        self.react(frame)

    async def receive(self) -> str | bytes:
        while not self._coming:
            if self._code is not None:
                raise SocketGone(self._code)
            self._changed.clear()
            await self._changed.wait()
        return self._coming.popleft()

    async def close(self) -> None:
        self.is_closed = True
        await asyncio.sleep(0)


class ScriptedNetwork:
    """What opens them. ``answer`` decides about each: none lets it open, else what is raised or a status."""

    def __init__(self) -> None:
        self.opening: deque[tuple[str, asyncio.Future[ScriptedSocket]]] = deque()
        """Handshakes that wait for an answer, each with its token."""
        self.sockets: list[ScriptedSocket] = []
        self.greet: Callable[[ScriptedSocket], None] | None = None
        """If set, handshakes succeed at once, and this is called with the socket."""

    async def __call__(self, token: str) -> Socket:
        if self.greet is not None:
            await asyncio.sleep(0)
            socket = self._add(token)
            self.greet(socket)
            return socket
        answer: asyncio.Future[ScriptedSocket] = asyncio.get_running_loop().create_future()
        self.opening.append((token, answer))
        try:
            return await answer
        finally:
            if (token, answer) in self.opening:
                self.opening.remove((token, answer))

    def accept(self) -> ScriptedSocket:
        """Let the client have a socket."""
        token, answer = self.opening.popleft()
        socket = self._add(token)
        answer.set_result(socket)
        return socket

    def refuse(self, status: int, retry_after: float | None = None) -> None:
        """Refuse the handshake."""
        _, answer = self.opening.popleft()
        seconds = None if retry_after is None else str(retry_after)
        answer.set_exception(SocketRefused(read_problem(status, seconds, None)))

    def fail(self) -> None:
        """Don't answer the handshake."""
        _, answer = self.opening.popleft()
        answer.set_exception(ConnectionRefusedError("nobody is there"))

    def _add(self, token: str) -> ScriptedSocket:
        socket = ScriptedSocket(token)
        self.sockets.append(socket)
        return socket
