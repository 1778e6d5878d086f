"""A transcript against the Python client: the runner is the service, the network, the clock and the application."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import TYPE_CHECKING, Any

import msgspec

from sanctum_messaging.client import (
    Client,
    Event,
    MemoryOutbox,
    MemoryStorage,
    Place,
    ReadSignal,
    Refused,
    Resync,
    TypingSignal,
)
from tests.conformance.transcripts import Values, fill, kind_of
from tests.hand_time import hand_loop
from tests.scripted_socket import ScriptedNetwork, ScriptedSocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from sanctum_messaging.client import Happening, MessageResource, Outgoing
    from tests.conformance.transcripts import Json, Transcript

LEAST_WAIT_SECONDS = 1e-6
"""A wait of nothing is over at once, and a step that looks in between would see nothing of it."""
WELCOMED_AT = "0-00000000"
"""Where a welcome says that the stream goes on, if the transcript does not."""
GLANCE_MS = 100
"""How often it is looked whether the client has said something, where no step tells when."""
UNASKED = frozenset({"ack", "pong", "ping"})
"""What a client may say at any time."""


class KeptOutbox(MemoryOutbox):
    """What outlives a client, though not a process."""

    def __init__(self, kept: tuple[Outgoing, ...] = ()) -> None:
        self.kept = list(kept)

    async def load(self) -> tuple[Outgoing, ...]:
        return tuple(self.kept)

    async def add(self, outgoing: Outgoing) -> None:
        self.kept.append(outgoing)

    async def remove(self, outgoing: Outgoing) -> None:
        if outgoing in self.kept:
            self.kept.remove(outgoing)


class PythonClientRun:
    """One transcript, in the hand-moved time of ``tests.hand_time``."""

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript
        self._values = Values(transcript.values)
        self._tokens = itertools.count(1)
        self._network = ScriptedNetwork()
        self._storage = MemoryStorage()
        self._outbox = KeptOutbox()
        self._sockets: dict[str, ScriptedSocket] = {}
        self._newest = ""
        self._sends: dict[str, asyncio.Task[MessageResource]] = {}
        self._client: Client | None = None
        self._left = True
        """Whether the client was closed."""
        self._events: AsyncIterator[Happening] | None = None
        self._asking: asyncio.Task[Happening] | None = None
        self._plays: dict[str, Callable[[Any, str], Awaitable[None]]] = {
            "connect": self._connect,
            "client": self._read,
            "server": self._write,
            "close": self._close,
            "cut": self._cut,
            "closed": self._see_closed,
            "advance": self._advance,
            "silent": self._see_silence,
            "until": self._wait,
            "application": self._apply,
        }

    async def run(self) -> None:
        """Play all steps, and see that nothing else was said."""
        if self._transcript.cursor is not None:
            await self._storage.save(Place(self._values.write(self._transcript.cursor)))
        await self._start()
        try:
            for number, step in enumerate(self._transcript.steps):
                await self._play(number, step)
            await hand_loop().settle()
            assert self._unexpected() == []
        finally:
            await self._stop()

    async def _play(self, number: int, step: Json) -> None:
        kind = kind_of(step)
        if kind not in self._plays:
            return
        await hand_loop().settle()
        try:
            await self._plays[kind](step[kind], step.get("socket", self._newest))
        except (AssertionError, IndexError, KeyError) as fault:
            raise AssertionError(f"step {number} {json.dumps(step)}: {fault!r}; said: {self._unexpected()}") from fault

    async def _connect(self, how: Json, name: str) -> None:
        assert self._network.opening, "no socket is being opened"
        if "refused" in how:
            self._network.refuse(how["refused"]["status"], how["refused"].get("retryAfter"))
        elif how.get("unreachable"):
            self._network.fail()
        else:
            self._newest = name if name and name not in self._sockets else f"socket {len(self._sockets)}"
            self._sockets[self._newest] = self._network.accept()

    async def _read(self, pattern: Json, name: str) -> None:
        said = self._sockets[name].said
        if pattern["op"] in UNASKED:
            found = next((frame for frame in said if self._values.fits(pattern, frame)), None)
            assert found is not None, said
        else:
            found = next((frame for frame in said if frame["op"] not in UNASKED), None)
            assert found is not None, said
            assert self._values.fits(pattern, found), found
        said.remove(found)

    async def _write(self, said: Json | list[Json], name: str) -> None:
        for frame in said if isinstance(said, list) else [said]:
            filled = fill(self._values.write(frame))
            if filled["op"] == "welcome":
                filled.setdefault("cursor", WELCOMED_AT)
            self._sockets[name].push(filled)

    async def _close(self, code: int, name: str) -> None:
        self._sockets[name].end(code)

    async def _cut(self, _: bool, name: str) -> None:  # noqa: FBT001 - steps are called alike
        self._sockets[name].end()

    async def _see_closed(self, _: int | str, name: str) -> None:
        assert self._sockets[name].is_closed

    async def _advance(self, milliseconds: float, _: str) -> None:
        await hand_loop().advance(milliseconds / 1000)

    async def _see_silence(self, milliseconds: float, _: str) -> None:
        before = self._unexpected()
        await hand_loop().advance(milliseconds / 1000)
        assert self._unexpected() == before

    async def _wait(self, milliseconds: float, _: str) -> None:
        before = self._unexpected()
        for _glance in range(int(milliseconds / GLANCE_MS)):
            await hand_loop().advance(GLANCE_MS / 1000)
            if self._unexpected() != before:
                return
        raise AssertionError("the client was silent")

    def _unexpected(self) -> list[object]:
        """Return what was done and no step has named."""
        said = [frame for socket in self._sockets.values() for frame in socket.said if frame["op"] not in UNASKED]
        return [*said, *(f"opens a socket with {token}" for token, _ in self._network.opening)]

    async def _apply(self, step: Json, _: str) -> None:
        """Do what the application does, or see what it sees."""
        kind = next(iter(step.keys() - {"as", "message", "code"}))
        if kind in {"restart", "close"}:
            await (self._restart() if kind == "restart" else self._stop())
        elif kind in {"event", "resync"}:
            self._see_given(kind, step[kind])
        elif kind in {"sent", "refused", "waiting"}:
            self._see_send(kind, self._sends[step[kind]], step)
        elif kind == "taken":
            self._ask()
        elif kind == "nothing":
            assert self._asking is None or not self._asking.done(), self._asking
        else:
            self._use_client(kind, self._values.write(step[kind]), step.get("as", ""))

    def _use_client(self, kind: str, value: Any, name: str) -> None:  # noqa: ANN401 - any JSON
        assert self._client is not None
        if kind == "send":
            self._sends[name] = asyncio.create_task(self._send(self._client, value))
        elif kind == "read":
            self._client.read(value["conversationId"], value["seq"])
        elif kind == "typing":
            self._client.typing(value["conversationId"], on=value["on"])
        else:
            assert kind == "state"
            assert self._client.state == value, self._client.state

    def _see_given(self, kind: str, pattern: Json) -> None:
        assert self._asking is not None
        assert self._asking.done(), "nothing was given"
        given = self._asking.result()
        assert isinstance(given, Event if kind == "event" else Resync), given
        assert self._values.fits(pattern, _written(given)), given

    def _see_send(self, kind: str, sending: asyncio.Task[MessageResource], step: Json) -> None:
        assert sending.done() is (kind != "waiting"), sending
        if kind == "sent":
            assert self._values.fits(step.get("message", {}), msgspec.to_builtins(_readable(sending.result())))
        elif kind == "refused":
            error = sending.exception()
            assert isinstance(error, Refused), error
            assert error.code == step["code"]

    async def _send(self, client: Client, fields: Json) -> MessageResource:
        return await client.send(
            fields["conversationId"],
            fields["body"],
            type=fields.get("type", "text"),
            metadata=fields.get("metadata"),
            reply_to=fields.get("replyTo"),
            client_message_id=fields.get("clientMessageId"),
        )

    async def _start(self) -> None:
        self._client = Client(
            "http://scripted",
            token=lambda: f"token-{next(self._tokens)}",
            storage=self._storage,
            outbox=self._outbox,
            open_socket=self._network,
            draw=lambda low, high: max(low + self._transcript.draw * (high - low), LEAST_WAIT_SECONDS),
        )
        await self._client.__aenter__()
        self._left = False
        self._events = self._client.events()
        self._ask()

    def _ask(self) -> None:
        self._asking = asyncio.create_task(self._next())

    async def _next(self) -> Happening:
        """Ask for the next that is no signal: transcripts say nothing of those."""
        assert self._events is not None
        while True:
            given = await anext(self._events)
            if not isinstance(given, ReadSignal | TypingSignal):
                return given

    async def _restart(self) -> None:
        """Let the process die: whatever the old client does from here on, nobody hears of it."""
        kept, place = tuple(self._outbox.kept), await self._storage.load()
        self._sockets.clear()
        self._network = ScriptedNetwork()
        await self._stop()
        self._storage, self._outbox = MemoryStorage(), KeptOutbox(kept)
        if place is not None:
            await self._storage.save(place)
        await self._start()

    async def _stop(self) -> None:
        assert self._client is not None
        if not self._left:
            self._left = True
            await self._client.__aexit__(None, None, None)
        tasks = [each for each in (self._asking, *self._sends.values()) if each is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _written(given: Happening) -> Json:
    """Write what the application was given in the words of the frame."""
    if isinstance(given, Event):
        fields = {name: getattr(given, name) for name in ("cursor", "seq", "type", "at")}
        names = {"conversationId": given.conversation_id, "actorId": given.actor_id}
        return {**fields, **names, "data": json.loads(bytes(given.data))}
    assert isinstance(given, Resync)
    return {"reason": given.reason, "cursor": given.cursor}


def _readable(message: MessageResource) -> object:
    return json.loads(msgspec.json.encode(message))
