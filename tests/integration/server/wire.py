"""The service on a real socket, in a thread of its own and on the loop that it runs on, and bytes sent to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import uvloop

from sanctum_messaging.bootstrap.identity import development_issuer
from sanctum_messaging.bootstrap.service import open_service
from sanctum_messaging.config import load_config
from sanctum_messaging.server.intake import Intake
from sanctum_messaging.server.server import Server, create_server
from tests.socket_endpoints import Endpoint, with_sockets
from tests.unlimited import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from pathlib import Path

    from sanctum_messaging.server.limits import ServerLimits

_T = TypeVar("_T")

PATIENCE = 60
"""Seconds after which a test gives up; nothing takes them unless something is wrong."""
HOST = b"Host: sanctum.test\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The problem that it bears."""
        assert self.headers["content-type"] == "application/problem+json", self
        found: dict[str, Any] = json.loads(self.body)
        return found


class Wire:
    """A service to send bytes to."""

    def __init__(self, port: int, token: str, server: Server, intake: Intake) -> None:
        self.port = port
        self.token = token
        self.intake = intake
        self._server = server
        self._loop = asyncio.get_running_loop()

    @property
    def open_connections(self) -> int:
        """How many connections the server has."""
        return len(self._server.server_state.connections)

    def stop(self) -> None:
        """Have the server end."""
        self._server.should_exit = True

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run something on the service's own loop: between any two steps of it, the service takes one of its own."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def connect(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def exchange(self, *parts: bytes) -> list[Answer]:
        """Send and read until the server ends the connection; return what it answered."""
        with self.connect() as connection:
            for part in parts:
                connection.sendall(part)
            return parse_answers(read_to_end(connection))

    def ask(self, head: bytes, body: bytes = b"") -> Answer:
        """Send one request that shall be the last of its connection."""
        (answer,) = self.exchange(head + b"Connection: close\r\n\r\n" + body)
        return answer

    def authorization(self) -> bytes:
        """Write the field that bears a user's token."""
        return f"Authorization: Bearer {self.token}\r\n".encode()


@contextlib.contextmanager
def wire_to(
    data_dir: Path,
    limits: ServerLimits | None = None,
    environ: dict[str, str] | None = None,
    *,
    endpoint: Endpoint = with_sockets,
) -> Iterator[Wire]:
    """Run a service until this is left."""
    started: list[Wire] = []
    ready = threading.Event()

    async def serve() -> None:
        config = load_config(
            {"DATA_DIR": str(data_dir), "LOG_LEVEL": "error", **UNLIMITED, **(environ or {})}, dev=True
        )
        listener = socket.create_server(("127.0.0.1", 0), backlog=2_048)
        # So that an answer that nobody reads is noticed after kilobytes, not megabytes.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        async with open_service(config) as service:
            intake = service.intake if limits is None else Intake(limits)
            token = development_issuer(config, lambda: time.time_ns() // 1_000_000).issue("ann")
            server = create_server(endpoint(service.asgi), intake, grace_seconds=1)
            started.append(Wire(listener.getsockname()[1], token, server, intake))
            ready.set()
            await server.serve(sockets=[listener])

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(serve())
        finally:
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(PATIENCE)
        yield started[0]
    finally:
        for each in started:
            each.stop()
        thread.join(PATIENCE)


def read_to_end(connection: socket.socket) -> bytes:
    """Read until the other end has nothing more to say."""
    chunks = []
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(65_536):
            chunks.append(chunk)
    return b"".join(chunks)


def read_answer(connection: socket.socket) -> Answer:
    """Read one answer of a connection that lives on."""
    raw = b""
    while True:
        chunk = connection.recv(65_536)
        assert chunk, "the connection ended"
        raw += chunk
        head, found, rest = raw.partition(b"\r\n\r\n")
        if found:
            (answer,) = parse_answers(head + found)
            if len(rest) == int(answer.headers["content-length"]):
                return Answer(answer.status, answer.headers, rest)


def parse_answers(raw: bytes) -> list[Answer]:
    """Take apart what a server said; answers of 1xx are left out."""
    answers = []
    while raw:
        head, _, raw = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        status = int(first.split()[1])
        length = int(headers.get("content-length", "0"))
        if status >= 200:
            answers.append(Answer(status, headers, raw[:length]))
        raw = raw[length:]
    return answers
