"""A stand-in for an instance, which notes what a load balancer hands on and answers, or fails, as it is told."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message


class StandIn(ThreadingHTTPServer):
    """Answers with a status; with none it reads a request and goes away, as one does that is killed meanwhile."""

    daemon_threads = True

    def __init__(self, status: int | None, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.status = status
        self.requests: list[tuple[str, Message]] = []
        """Method and headers of each request."""

    @property
    def port(self) -> int:
        return self.server_port


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.command, self.headers))
        if self.server.status is None:
            self.close_connection = True
            return
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = answer  # noqa: N815 - the names that the library calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@contextlib.contextmanager
def stand_in(status: int | None, port: int = 0) -> Iterator[StandIn]:
    """Run one, until it is left."""
    with StandIn(status, port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
