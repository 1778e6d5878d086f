"""A WebSocket's connection on a transport and a clock that tests hold in their hands."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.server import ServerState

from sanctum_messaging.server.intake import Intake
from sanctum_messaging.server.limits import MAX_UNREAD_BYTES
from sanctum_messaging.server.server import create_server
from tests.raw_socket import CLOSE, CONT, PING, PONG, TEXT, encode_frame
from tests.unit.server.hand_loop import HandLoop, Timer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

HANDSHAKE = (
    b"GET /v1/ws HTTP/1.1\r\nHost: sanctum.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
PONGED = bytes([0x80 | PONG, 0])
CLOSED_4007 = bytes([0x80 | CLOSE])
PIECE = encode_frame(TEXT, b"{", fin=False)
REST = encode_frame(CONT, b"}")


class Loop(HandLoop):
    """Time by hand, and tasks as always."""

    def call_later(self, seconds: float, callback: object) -> Timer:
        return self.call_at(self.now + seconds, callback)

    def create_task(self, work: Any) -> asyncio.Task[None]:  # noqa: ANN401 - any coroutine
        return asyncio.create_task(work)


class Transport:
    """What was done to a connection."""

    def __init__(self) -> None:
        self.written = b""
        self.protocol: Any = None
        self.is_full = self.is_paused = self.is_half_closed = self.is_closed = self.is_aborted = False

    def write(self, data: bytes) -> None:
        assert not data or not self.is_half_closed
        self.written += data

    def set_write_buffer_limits(self, high: int) -> None:
        assert high == 32 * 1024

    def get_write_buffer_size(self) -> int:
        return 64 * 1024 if self.is_full else 0

    def set_protocol(self, protocol: object) -> None:
        self.protocol = protocol

    def get_protocol(self) -> object:
        return self.protocol

    def write_eof(self) -> None:
        self.is_half_closed = True

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_aborted = True

    def is_closing(self) -> bool:
        return self.is_closed or self.is_aborted

    def get_extra_info(self, _name: str) -> None:
        return None

    def take_written(self) -> bytes:
        written, self.written = self.written, b""
        return written


class Line:
    """A connection whose application does what a test says."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.transport = Transport()
        self.done = asyncio.Event()
        self.receive: ASGIReceiveCallable
        self.send: ASGISendCallable
        server = create_server(self, Intake())  # type: ignore[arg-type]  # any application
        server.config.load()
        kind: Callable[..., Any] = server.config.http_protocol_class
        self.transport.protocol = kind(server.config, ServerState(), {}, self.loop)
        self.transport.protocol.connection_made(self.transport)
        self.transport.protocol.data_received(HANDSHAKE)
        self._handshake = self.transport.protocol

    async def __call__(self, _scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        self.receive, self.send = receive, send
        await self.done.wait()

    async def accept(self) -> None:
        await self.let_run()
        await self.receive()
        await self.send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        assert self.transport.written.startswith(b"HTTP/1.1 101 ")
        self.transport.written = self.transport.written.partition(b"\r\n\r\n")[2]
        # Nothing is read before somebody is there for it.
        reading = asyncio.ensure_future(self.receive())
        await self.let_run()
        reading.cancel()
        await self.let_run()

    def come(self, *frames: bytes) -> None:
        self.transport.protocol.data_received(b"".join(frames))

    async def take(self) -> Any:  # noqa: ANN401 - any message
        return await self.receive()

    async def end(self) -> None:
        """Have the application end."""
        self.done.set()
        await self.let_run()

    async def let_run(self) -> None:
        for _ in range(3):
            await asyncio.sleep(0)

    @property
    def waiting(self) -> int:
        """Messages that were parsed and not taken."""
        waiting: int = self._handshake._messages._queue.qsize()
        return waiting

    @property
    def is_ended(self) -> bool:
        """Whether the client was told that it does too much."""
        return self.transport.is_half_closed and self.transport.written.startswith(CLOSED_4007)


@pytest.fixture
async def fresh() -> AsyncGenerator[Line]:
    line = Line()
    await line.let_run()
    yield line
    await line.end()


@pytest.fixture
async def line(fresh: Line) -> Line:
    await fresh.accept()
    return fresh


class TestTime:
    async def test_a_message_has_ten_seconds(self, line: Line) -> None:
        line.come(PIECE)
        line.loop.pass_time(9.9)
        assert not line.is_ended
        line.loop.pass_time(0.2)
        assert line.is_ended

    async def test_pieces_and_pings_give_it_no_more(self, line: Line) -> None:
        line.come(PIECE)
        for _ in range(3):
            line.loop.pass_time(3)
            line.come(encode_frame(CONT, b" ", fin=False), encode_frame(PING))
        assert line.transport.take_written() == 3 * PONGED
        line.loop.pass_time(1.1)
        assert line.is_ended

    async def test_what_is_whole_has_no_deadline_left(self, line: Line) -> None:
        line.come(PIECE)
        line.come(REST)
        assert (await line.take())["text"] == "{}"
        line.loop.pass_time(100)
        assert not line.is_ended

    async def test_the_next_message_has_its_own(self, line: Line) -> None:
        line.come(PIECE)
        line.loop.pass_time(9)
        line.come(REST, PIECE)
        await line.take()
        line.loop.pass_time(9)
        assert not line.is_ended
        line.loop.pass_time(1.1)
        assert line.is_ended

    async def test_it_does_not_run_while_nobody_reads(self, line: Line) -> None:
        line.come(PIECE, REST, PIECE)
        for _ in range(3):
            line.loop.pass_time(35)
        line.loop.pass_time(5)
        await line.take()
        line.loop.pass_time(9.9)
        assert not line.is_ended
        line.loop.pass_time(0.2)
        assert line.is_ended

    @pytest.mark.parametrize("size", range(1, 6))
    async def test_it_runs_for_a_frame_from_its_first_byte(self, line: Line, size: int) -> None:
        line.come(encode_frame(PING, b"x"), encode_frame(TEXT, b"x")[:size])
        line.loop.pass_time(10.1)
        line.transport.written = line.transport.written.removeprefix(bytes([0x80 | PONG, 1]) + b"x")
        assert line.is_ended

    async def test_it_does_not_run_where_nothing_has_begun(self, line: Line) -> None:
        line.come(encode_frame(PING))
        line.loop.pass_time(100)
        assert line.transport.written == PONGED


class TestReading:
    async def test_what_comes_before_the_handshake_is_answered_waits(self, fresh: Line) -> None:
        fresh.come(encode_frame(PING), encode_frame(TEXT, b"\xff"))
        assert (fresh.transport.written, fresh.transport.is_paused) == (b"", True)
        await fresh.accept()
        assert fresh.transport.written.startswith(PONGED)

    async def test_no_more_is_parsed_than_is_taken(self, line: Line) -> None:
        count = 20_000
        line.come(encode_frame(TEXT) * count)
        taken = 0
        while taken < count:
            assert line.waiting < 3_000
            await line.take()
            taken += 1
        assert not line.transport.is_paused

    async def test_messages_longer_than_a_piece_are_whole(self, line: Line) -> None:
        texts = [letter * 50_000 for letter in "abc"]
        raw = b"".join(encode_frame(TEXT, text.encode()) for text in texts)
        line.come(raw[:70_000])
        line.come(raw[70_000:])
        assert [(await line.take())["text"] for _ in texts] == texts

    async def test_a_ping_is_not_answered_while_the_client_does_not_read(self, line: Line) -> None:
        line.transport.is_full = True
        line.come(encode_frame(PING))
        assert line.transport.written == b""
        line.transport.is_full = False
        line.come(encode_frame(PING))
        assert line.transport.written == PONGED

    async def test_control_frames_may_come_again_later(self, line: Line) -> None:
        for _ in range(5):
            line.come(encode_frame(PONG) * 40)
            line.loop.pass_time(2)
        assert not line.is_ended
        line.come(encode_frame(PONG) * 41)
        assert line.is_ended


class TestWriting:
    async def test_s_d3_who_writes_waits_while_the_client_does_not_read(self, line: Line) -> None:
        socket = line.transport.protocol
        socket.pause_writing()
        assert socket.is_full
        writing = asyncio.ensure_future(line.send({"type": "websocket.send", "text": "{}", "bytes": None}))
        await line.let_run()
        assert not writing.done()
        socket.resume_writing()
        await line.let_run()
        assert (writing.done(), socket.is_full) == (True, False)


class TestTheEnd:
    async def test_what_comes_after_a_flood_is_thrown_away(self, line: Line) -> None:
        line.come(encode_frame(PONG) * 41, encode_frame(TEXT, b"late"))
        line.come(encode_frame(TEXT, b"later"))
        assert (await line.take())["type"] == "websocket.disconnect"
        assert line.waiting == 0
        with pytest.raises(ClientDisconnected):
            await line.send({"type": "websocket.send", "text": "x", "bytes": None})
        line.come(b"x" * MAX_UNREAD_BYTES)
        assert line.transport.is_aborted

    async def test_a_client_that_goes_on_sending_is_cut_off_in_two_seconds(self, line: Line) -> None:
        line.come(encode_frame(PONG) * 41)
        line.loop.pass_time(1.9)
        assert not line.transport.is_aborted
        line.loop.pass_time(0.2)
        assert line.transport.is_aborted

    async def test_s_d3_a_client_that_does_not_take_the_close_is_cut_off(self, line: Line) -> None:
        await line.send({"type": "websocket.close", "code": 4000, "reason": ""})
        await line.end()
        line.loop.pass_time(9.9)
        assert not line.transport.is_aborted
        line.loop.pass_time(0.2)
        assert line.transport.is_aborted

    async def test_s_d3_a_client_that_could_not_be_told_is_cut_off(self, line: Line) -> None:
        """The application gave up; closing alone would wait for the client to read."""
        line.transport.protocol.pause_writing()
        await line.end()
        assert line.transport.is_closed
        line.loop.pass_time(10.1)
        assert line.transport.is_aborted

    async def test_s_d3_a_client_that_says_nothing_more_has_ten_seconds_to_read(self, line: Line) -> None:
        """The loop closes the connection then, which waits for what is unsent, and a close frame finds it closed."""
        line.transport.protocol.eof_received()
        line.transport.close()
        await line.end()
        line.loop.pass_time(9.9)
        assert not line.transport.is_aborted
        line.loop.pass_time(0.2)
        assert line.transport.is_aborted

    async def test_a_close_of_the_client_behind_ours_ends_it(self, line: Line) -> None:
        await line.send({"type": "websocket.close", "code": 4000, "reason": ""})
        line.come(encode_frame(TEXT, b"{}"), encode_frame(CLOSE))
        assert (line.transport.is_closed, line.transport.is_half_closed) == (True, False)

    @pytest.mark.parametrize("before", [0, 100_000])
    async def test_it_is_not_looked_for_in_a_flood(self, line: Line, before: int) -> None:
        """Also not in what had come before, and was not parsed yet."""
        frames = encode_frame(TEXT) * 100_000
        line.come(encode_frame(TEXT), frames[:before])
        await line.send({"type": "websocket.close", "code": 4000, "reason": ""})
        line.come(frames, encode_frame(CLOSE))
        assert (line.transport.is_closed, line.transport.is_half_closed) == (False, True)
        line.loop.pass_time(2.1)
        assert line.transport.is_aborted

    @pytest.mark.parametrize("end", ["close", "flood", "loss"])
    async def test_nothing_is_written_behind_it(self, line: Line, end: str) -> None:
        """Who writes hears of it a moment later; a lost connection would refuse what it is given."""
        socket = line.transport.protocol
        match end:
            case "close":
                line.come(encode_frame(CLOSE))
            case "flood":
                line.come(encode_frame(PING) * 100)
            case _:
                line.transport.abort()
                socket.connection_lost(None)
        line.transport.take_written()
        socket.write(b"\x81\x02{}")
        assert line.transport.take_written() == b""

    async def test_nothing_is_left_behind(self, line: Line) -> None:
        line.come(PIECE)
        await line.send({"type": "websocket.close", "code": 4000, "reason": ""})
        line.transport.protocol.connection_lost(None)
        await line.end()
        assert all(timer.cancelled for timer in line.loop.timers)
