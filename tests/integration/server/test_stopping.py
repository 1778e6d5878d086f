"""A server that stops: who connects goes elsewhere, and no request that has met it is cut."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import uvloop

from sanctum_messaging.server.intake import Intake
from sanctum_messaging.server.server import Server, create_server
from tests.hub_client import until
from tests.integration.server.wire import PATIENCE, parse_answers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine

    from starlette.types import Receive, Scope, Send

    from tests.integration.server.wire import Answer

_T = TypeVar("_T")
REQUEST = b"POST / HTTP/1.1\r\nHost: sanctum.test\r\nContent-Length: 5\r\n\r\nHello"


class Stopping:
    """A server of an application that answers when it is told to, and connections to it."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.listens = True
        """Whether it waits for the whole of a request."""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.server: Server = create_server(self, Intake(), grace_seconds=PATIENCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        while (await receive()).get("more_body", False) and self.listens:
            pass
        self.asked.set()
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"OK"})

    def connect(self) -> socket.socket:
        """Connect without giving the server a turn: its system accepts, and it does not know yet."""
        connection = socket.create_connection(self.address)
        connection.settimeout(0)
        return connection

    async def ask(self, connection: socket.socket) -> Answer:
        """Send a request over a connection that lives on, and read the answer."""
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(connection, REQUEST)
        answer = b""
        while not answer.endswith(b"OK"):
            answer += await loop.sock_recv(connection, 65_536)
        (found,) = parse_answers(answer)
        return found


@contextlib.asynccontextmanager
async def serving() -> AsyncGenerator[Stopping]:
    stopping = Stopping()
    serving = asyncio.create_task(stopping.server.serve(sockets=[stopping.listener]))
    with stopping.connect() as connection:
        # Once it answers it has begun.
        await stopping.ask(connection)
    try:
        yield stopping
    finally:
        stopping.server.should_exit = True
        async with asyncio.timeout(PATIENCE):
            await serving


async def read_to_end(connection: socket.socket) -> list[Answer]:
    raw = b""
    async with asyncio.timeout(PATIENCE):
        while chunk := await asyncio.get_running_loop().sock_recv(connection, 65_536):
            raw += chunk
    return parse_answers(raw)


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run something on the loop that the service runs on."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def is_last(answer: Answer) -> bool:
    return answer.status == 200 and answer.headers.get("connection") == "close"


def test_who_was_in_the_queue_is_served_and_who_comes_after_is_refused() -> None:
    async def scenario() -> None:
        async with serving() as stopping:
            waiting = [stopping.connect() for _ in range(20)]
            await stopping.server.stop_listening()
            with pytest.raises(ConnectionRefusedError):
                stopping.connect()
            for connection in waiting:
                with connection:
                    connection.sendall(REQUEST)
                    (answer,) = await read_to_end(connection)
                    assert is_last(answer)

    run(scenario())


def test_a_listening_socket_that_is_shared_is_left_to_the_others() -> None:
    async def scenario() -> None:
        async with serving() as stopping:
            with stopping.listener.dup() as other:
                await stopping.server.stop_listening()
                with stopping.connect() as connection:
                    accepted, _ = await asyncio.get_running_loop().sock_accept(other)
                    with accepted:
                        assert accepted.getpeername() == connection.getsockname()

    run(scenario())


def test_a_connection_that_is_open_ends_with_its_next_answer() -> None:
    async def scenario() -> None:
        async with serving() as stopping:
            with stopping.connect() as connection:
                assert not is_last(await stopping.ask(connection))
                await stopping.server.stop_listening()
                connection.sendall(REQUEST)
                (answer,) = await read_to_end(connection)
                assert is_last(answer)
            await stopping.server.wait_for_clients()

    run(scenario())


def test_a_request_under_way_is_answered_and_its_connection_ends() -> None:
    async def scenario() -> None:
        async with serving() as stopping:
            stopping.may_answer.clear()
            stopping.asked.clear()
            with stopping.connect() as connection:
                connection.sendall(REQUEST)
                await stopping.asked.wait()
                await stopping.server.stop_listening()
                stopping.server.should_exit = True
                stopping.may_answer.set()
                (answer,) = await read_to_end(connection)
                assert is_last(answer)

    run(scenario())


@pytest.mark.parametrize("seen", [b"", REQUEST[:10], REQUEST[:-2]], ids=["none of it", "its head", "its body"])
def test_a_request_that_was_not_read_yet_when_it_stops_is_answered(seen: bytes) -> None:
    async def scenario() -> None:
        async with serving() as stopping:
            with stopping.connect() as connection:
                await stopping.ask(connection)
                (protocol,) = stopping.server.server_state.connections
                await stopping.server.stop_listening()
                connection.sendall(seen)
                await until(lambda: not seen or protocol._phase.name != "WAITING")  # type: ignore[union-attr]
                connection.sendall(REQUEST[len(seen) :])
                # As uvicorn does in the end. The loop had no turn to read what is there.
                protocol.shutdown()
                (answer,) = await read_to_end(connection)
                assert is_last(answer)

    run(scenario())


def test_an_answer_that_came_before_the_end_of_its_request_is_not_taken_away() -> None:
    async def scenario() -> None:
        async with serving() as stopping:
            stopping.listens = False
            with stopping.connect() as connection:
                (before, body) = REQUEST[:-2], REQUEST[-2:]
                connection.sendall(before)
                await until(lambda: stopping.server.server_state.total_requests == 2)
                connection.sendall(body)
                for protocol in stopping.server.server_state.connections:
                    protocol.shutdown()
                (answer,) = await read_to_end(connection)
                assert answer.status == 200

    run(scenario())


def test_who_asks_for_nothing_is_let_go_in_the_end() -> None:
    async def scenario() -> None:
        async with serving() as stopping:
            with stopping.connect() as connection, stopping.connect() as stranger:
                await stopping.ask(connection)
                await stopping.server.stop_listening()
                stopping.server.should_exit = True
                assert await read_to_end(connection) == await read_to_end(stranger) == []

    run(scenario())
