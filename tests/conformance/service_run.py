"""A transcript against a service: the runner is the client, and everybody else who calls."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.conformance.transcripts import Json, Transcript, Values, kind_of
from tests.e2e.client import NO_TLS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PATIENCE_SECONDS = 40
"""How long something that must come may take on a busy machine."""
UNASKED = frozenset({"ping", "signal"})
"""What the service may say at any time."""
USERS = ("ann", "bob")
TOKENS = {"token": 3_600, "fresh": 3_600, "brief": 50}
"""The tokens of each user, with the seconds that they hold; the last is so brief that another is asked for at once."""


class ServiceRun:
    """One transcript, played to one service. ``token`` signs a token of a user and a device."""

    def __init__(self, transcript: Transcript, base_url: str, token: Callable[..., str]) -> None:
        self._steps = transcript.steps
        self._base_url = base_url
        self._values = Values(transcript.values)
        for user in USERS:
            for name, seconds in TOKENS.items():
                self._values.bound[f"{name}.{user}"] = token(user, device=f"{user}-phone", ttl=seconds)
        self._http = httpx2.AsyncClient(base_url=base_url, timeout=PATIENCE_SECONDS, trust_env=False, verify=NO_TLS)
        self._sockets: dict[str, Socket] = {}
        self._newest = ""
        self._plays: dict[str, Callable[[Any, str], Awaitable[None]]] = {
            "connect": self._connect,
            "client": self._write,
            "text": self._write_text,
            "server": self._read,
            "close": self._see_closed,
            "closed": self._close,
            "cut": self._cut,
            "call": self._call,
        }

    async def run(self) -> None:
        """Play all steps, and see that nothing else was said."""
        try:
            for number, step in enumerate(self._steps):
                await self._play(f"step {number} {json.dumps(step)}", step)
            for name, socket in self._sockets.items():
                assert await socket.read_rest() == [], name
        finally:
            for socket in self._sockets.values():
                socket.cut()
            await self._http.aclose()

    async def _play(self, what: str, step: Json) -> None:
        kind = kind_of(step)
        if kind not in self._plays:
            return
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._plays[kind](step[kind], step.get("socket", self._newest))
        except (AssertionError, ConnectionClosed, InvalidStatus, TimeoutError) as fault:
            raise AssertionError(f"{what}: {fault!r}; bound: {self._values.bound}") from fault

    async def _connect(self, how: Json, name: str) -> None:
        token = self._values.write(how.get("token", f"$token.{how.get('user', 'ann')}"))
        offered = [Subprotocol(each) for each in how.get("subprotocols", ["sanctum.v1"])]
        opening = connect(
            self._base_url.replace("http", "ws", 1) + "/v1/ws",
            subprotocols=offered or None,
            additional_headers={} if token is None else {"Authorization": f"Bearer {token}"},
            compression=None,
            ping_interval=None,
            proxy=None,
        )
        if "refused" in how:
            await _see_refused(opening, how["refused"]["status"])
            return
        self._newest = name if name not in self._sockets else f"socket {len(self._sockets)}"
        self._sockets[self._newest] = Socket(await opening)

    async def _write(self, frame: Json, name: str) -> None:
        await self._sockets[name].connection.send(json.dumps(self._values.write(frame)))

    async def _write_text(self, text: str, name: str) -> None:
        await self._sockets[name].connection.send(text)

    async def _read(self, said: Json | list[Json], name: str) -> None:
        wanted = said if isinstance(said, list) else [said]
        waiting = list(wanted)
        while waiting:
            frame = await self._sockets[name].read({each["op"] for each in waiting})
            fitting = next((each for each in waiting if self._values.fits(each, frame)), None)
            assert fitting is not None, frame
            waiting.remove(fitting)

    async def _see_closed(self, code: int, name: str) -> None:
        assert await self._sockets[name].read_close() == code

    async def _close(self, code: int | str, name: str) -> None:
        await self._sockets[name].close(code if isinstance(code, int) else 1000)

    async def _cut(self, _: bool, name: str) -> None:  # noqa: FBT001 - steps are called alike
        self._sockets[name].cut()

    async def _call(self, call: Json, _: str) -> None:
        token = self._values.bound[f"token.{call['user']}"]
        answer = await self._http.request(
            call["method"],
            self._values.write(call["path"]),
            json=self._values.write(call.get("body")),
            headers={"Authorization": f"Bearer {token}", **call.get("headers", {})},
        )
        assert answer.status_code == call.get("status", 200), answer.text
        assert self._values.fits(call.get("result", {}), answer.json() if answer.content else {}), answer.text


class Socket:
    """The runner's end of a socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._over = False

    async def read(self, wanted: set[str]) -> Json:
        """Read the next frame that somebody asked for."""
        while True:
            frame: Json = json.loads(await self.connection.recv())
            if frame["op"] not in UNASKED - wanted:
                return frame

    async def read_close(self) -> int:
        """Read up to the end, which must be next; return its code."""
        self._over = True
        try:
            frame = await self.read(set())
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006
        raise AssertionError(frame)

    async def read_rest(self) -> list[Json]:
        """Read what the service still had to say to what it was told."""
        if self._over:
            return []
        await self.connection.send('{"op":"ping"}')
        rest = []
        while (frame := await self.read({"pong"}))["op"] != "pong":
            rest.append(frame)
        return rest

    async def close(self, code: int) -> None:
        """Close the connection as a client does."""
        self._over = True
        await self.connection.close(code)

    def cut(self) -> None:
        """Break the connection as a tunnel does."""
        self._over = True
        self.connection.transport.abort()


async def _see_refused(opening: connect, status: int) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await opening
    assert refusal.value.response.status_code == status
