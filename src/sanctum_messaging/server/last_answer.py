"""An answer after which the connection ends, and which the client gets to read although it is still sending."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvicorn._types import HTTPScope

    from sanctum_messaging.server.http_protocol import HTTPProtocol


class _ClosedByOther(asyncio.Transport):
    """A transport as the answer sees it; when it has been written, ``close`` decides how the connection ends."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        super().__init__()
        self.write = transport.write  # type: ignore[method-assign]  # it is the same one
        self.is_closing = transport.is_closing  # type: ignore[method-assign]  # as above
        self.close = close  # type: ignore[method-assign]  # as above


def last_answer(protocol: HTTPProtocol, scope: HTTPScope, on_written: Callable[[], None]) -> RequestResponseCycle:
    """Prepare an answer without a body of the request; ``on_written`` is called instead of closing the transport."""
    cycle = RequestResponseCycle(
        scope=scope,
        transport=_ClosedByOther(protocol.transport, on_written),
        flow=protocol.flow,
        logger=protocol.logger,
        access_logger=protocol.access_logger,
        access_log=False,
        default_headers=protocol.server_state.default_headers,
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=False,
        on_response=protocol.on_response_complete,
    )
    cycle.more_body = False
    return cycle


def blank_scope(protocol: HTTPProtocol) -> dict[str, Any]:
    """Make the scope of a request of which nothing that was said can be relied on."""
    return {
        "type": "http",
        "asgi": {"version": protocol.asgi_version, "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": protocol.scheme,
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": protocol.root_path,
        "headers": [],
        "server": protocol.server,
        "client": protocol.client,
        "state": {},
    }
