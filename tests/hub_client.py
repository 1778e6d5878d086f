"""A client of the hub in tests: it pushes frames, and asserts what it is replied and pushed."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from tests.contract_document import SOCKET

if TYPE_CHECKING:
    from collections.abc import Callable

    from sanctum_messaging.domain.model import Cursor

Frame = dict[str, Any]

PATIENCE_SECONDS = 40
"""How long something that must come may take on a busy machine."""


class ClosedError(Exception):
    """The server closed the socket."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Link(Protocol):
    """A socket, real or not."""

    async def write(self, message: str | bytes) -> None: ...

    async def read(self) -> str:
        """Read the next message, or raise ClosedError."""
        ...


class Client:
    """Frames that were looked for are taken out; what came beside them stays until it is asked for."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.events: list[Frame] = []
        """Every event that has been read so far, in order of arrival."""
        self._unasked: deque[Frame] = deque()
        self._ids = itertools.count(1)
        self._pushed: dict[str, Frame] = {}
        """The frames with an id, by it."""
        self.welcome: Frame = {}

    async def push(self, op: str, **fields: object) -> str:
        """Send a frame with an id of its own."""
        frame = {"op": op, "id": f"f{next(self._ids)}", **fields}
        self._pushed[str(frame["id"])] = frame
        await self.link.write(msgspec.json.encode(frame).decode())
        return str(frame["id"])

    async def push_raw(self, message: str | bytes) -> None:
        """Send anything."""
        await self.link.write(message)

    async def hello(self, **fields: object) -> Frame:
        """Open the stream and return the welcome."""
        await self.push("hello", **fields)
        self.welcome = await self.assert_pushed("welcome")
        return self.welcome

    async def assert_pushed(self, op: str, **fields: object) -> Frame:
        """Wait for a frame with these fields."""
        return await self._take(lambda frame: _fits(frame, {"op": op, **fields}), f"{op} {fields}")

    async def assert_event(self, kind: str, **data: object) -> Frame:
        """Wait for the next event, whatever it is, and see that it is this one."""
        event = await self._take(lambda frame: frame["op"] == "event", kind)
        assert event["type"] == kind, event
        (inner,) = (event["data"][name] for name in event["data"] if name == kind.partition(".")[0])
        assert _fits(inner, data), event
        return event

    async def assert_replied(self, frame_id: str, *, code: str | None = None) -> Frame:
        """Wait for the answer to a frame: ``ok``, or an ``error`` of this code."""
        reply = await self._take(lambda frame: frame.get("id") == frame_id, f"reply to {frame_id}")
        assert reply["op"] == ("ok" if code is None else "error"), reply
        if code is not None:
            assert reply["problem"]["code"] == code, reply
        return reply

    async def assert_refused(self, code: str) -> Frame:
        """Wait for an ``error`` to a frame that had no readable id."""
        problem: Frame = (await self._take(lambda frame: frame["op"] == "error" and "id" not in frame, code))["problem"]
        assert problem["code"] == code, problem
        return problem

    async def assert_nothing_pushed(self, upto: Cursor) -> None:
        """See that up to a cursor no further event comes."""
        await self.settle(upto)
        assert self.unasked("event") == []

    async def assert_closed(self, code: int) -> None:
        """Read up to the end, and see with which code it came."""
        try:
            while True:
                self._unasked.append(await self._read())
        except ClosedError as closed:
            assert closed.code == code, closed.code  # noqa: PT017 - the frames before it are wanted too

    async def settle(self, upto: Cursor) -> list[Frame]:
        """Wait until all events of the stream up to a cursor have come; return all events so far."""
        while True:
            await self.push_raw('{"op":"ping"}')
            pong = await self.assert_pushed("pong")
            if pong["cursor"] == str(upto):
                return self.events

    def unasked(self, op: str) -> list[Frame]:
        """List the frames that came and were not asked for."""
        return [frame for frame in self._unasked if frame["op"] == op]

    async def _take(self, wanted: Callable[[Frame], bool], what: str) -> Frame:
        for frame in self._unasked:
            if wanted(frame):
                self._unasked.remove(frame)
                return frame
        try:
            while True:
                frame = await self._read()
                if wanted(frame):
                    return frame
                self._unasked.append(frame)
        except TimeoutError:
            raise AssertionError(f"did not come: {what}; but {list(self._unasked)}") from None
        except ClosedError as closed:
            raise AssertionError(f"closed {closed.code} before: {what}; but {list(self._unasked)}") from None

    async def _read(self) -> Frame:
        async with asyncio.timeout(PATIENCE_SECONDS):
            frame: Frame = msgspec.json.decode(await self._read_message())
        SOCKET.check_received(frame, self._pushed.get(frame.get("id", "")))
        if frame["op"] == "event":
            self.events.append(frame)
        return frame

    async def _read_message(self) -> str:
        try:
            return await self.link.read()
        except ClosedError as closed:
            SOCKET.check_closed(closed.code)
            raise


def _fits(frame: Frame, fields: dict[str, object]) -> bool:
    return all(frame.get(name) == value for name, value in fields.items())


async def until(happened: Callable[[], bool]) -> None:
    """Let everything else run until something has happened that nobody tells of."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not happened():  # noqa: ASYNC110 - the very point is to look at what sets no event
            await asyncio.sleep(0)
