"""Users who come from an address of their choice, to a service with rate limits.

Intervals last a day, so that nothing comes back while a test runs. The service believes the tests where they come from.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.integration.asgi_socket import open_socket
from tests.integration.calling import Api, Caller, got, open_api

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from starlette.types import Message

HERE, ELSEWHERE = "203.0.113.7", "203.0.113.8"
DAY = {"RATE_LIMIT_INTERVAL_MS": "86400000", "RATE_LIMIT_ALLOWLIST": "none"}
PROXIED = {**DAY, "TRUSTED_PROXIES": "127.0.0.1"}
PATH = "/v1/unread"


def limits(**numbers: int | str) -> dict[str, str]:
    """Write limits as they stand in the environment."""
    return {f"RATE_LIMIT_{name.upper()}": str(number) for name, number in numbers.items()}


class Visitor:
    """A user who comes from an address of his choice."""

    def __init__(self, api: Api, name: str, address: str | None = HERE, **claims: str) -> None:
        self._app = api.service.asgi
        self._from = {} if address is None else {"X-Forwarded-For": address}
        self.headers = {"Authorization": f"Bearer {api.issuer.issue(name, **claims)}", **self._from}  # type: ignore[arg-type]  # claims of the test's own
        self.caller = Caller(api.client, name, self.headers)
        self.stranger = Caller(api.client, None, self._from)

    def open(self) -> Any:  # noqa: ANN401 - an asynchronous context manager
        """Open a socket with the token in the handshake."""
        return open_socket(self._app, self.headers)

    async def left(self) -> dict[str, int]:
        """Ask what is left of each limit."""
        listed = got(await self.caller.get("/v1/rate-limits"), 200)["limits"]
        return {each["name"]: each["remaining"] for each in listed}

    async def shake_hands(self, path: str = "/v1/ws", **headers: str) -> int:
        """Try a handshake, and go away at once: its status, 101 if it was accepted."""
        given = {**self.headers, **headers}
        scope = {
            "type": "websocket",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
            "client": ("127.0.0.1", 1),
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
        }
        incoming: list[Message] = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1006}]
        sent: list[Message] = []

        async def receive() -> Message:
            return incoming.pop(0)

        async def send(message: Message) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        # A server answers 403 for an application that closes what it did not accept.
        return 101 if sent[0]["type"] == "websocket.accept" else int(sent[0].get("status", 403))


@asynccontextmanager
async def visited(folder: Path, environ: dict[str, str], **numbers: int | str) -> AsyncGenerator[tuple[Api, Visitor]]:
    """Run a service with these limits and no others, and come as Ann."""
    async with open_api(folder, **environ, **limits(**numbers)) as api:
        yield api, Visitor(api, "ann")
