"""The page's client alone, on a socket and a clock that the test moves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

BEGIN = "1-aaaaaaaa"
HEARTBEAT_MS = 20_000
TOKEN_MS = 600_000
SCRIPT = """
async ({ cursor, tokenMs }) => {
  const { SanctumClient } = await import('/demo/client.js');
  const { Unreachable } = await import('/demo/problem.js');
  window.client?.stop();
  window.sockets = [];
  window.taken = [];
  window.states = [];
  window.resyncs = [];
  window.tokens = 0;
  window.drawn = 0.5;
  Math.random = () => drawn;
  window.WebSocket = class {
    static OPEN = 1;
    readyState = 1;
    sent = [];
    closed = null;
    constructor(url, protocol) { this.protocol = protocol; sockets.push(this); }
    send(text) { this.sent.push(JSON.parse(text)); }
    close(code) { this.closed = code; }
  };
  window.client = new SanctumClient({
    url: 'ws://test/v1/ws',
    cursor,
    getToken: async () => ({ token: `token-${++tokens}`, expiresAt: new Date(Date.now() + tokenMs).toISOString() }),
    name: { name: 'test', version: '1' },
    on: {
      event: ({ cursor: at }) => taken.push(at),
      resync: () => new Promise((done, fail) => resyncs.push({ done, fail: () => fail(new Unreachable()) })),
      signal: () => undefined,
      state: (state) => states.push({ ...state, waitMs: state.retryAt - Date.now() }),
      problem: () => undefined,
    },
  });
  client.start();
}
"""


class Device:
    """The client in the page, and the service as the test plays it."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def begin(self) -> None:
        """Make a client that knows nothing but a cursor."""
        self._page.evaluate(SCRIPT, {"cursor": BEGIN, "tokenMs": TOKEN_MS})

    def look(self, expression: str) -> Any:  # noqa: ANN401 - what a script says is any JSON
        return self._page.evaluate(expression)

    @property
    def sockets(self) -> int:
        return int(self.look("sockets.length"))

    @property
    def taken(self) -> list[str]:
        return list(self.look("taken"))

    @property
    def state(self) -> str:
        return str(self.look("states.at(-1).name"))

    def sent(self, number: int = -1) -> list[dict[str, Any]]:
        """Read the frames that were written to a socket, the newest unless told."""
        return list(self.look(f"sockets.at({number}).sent"))

    def closed(self, number: int = -1) -> int | None:
        """Tell with which code the client closed a socket."""
        code: int | None = self.look(f"sockets.at({number}).closed")
        return code

    def push(self, *frames: dict[str, Any], number: int = -1) -> None:
        """Let frames arrive, all in one turn of the loop."""
        script = "([number, frames]) => frames.forEach((f) => sockets.at(number).onmessage({data: JSON.stringify(f)}))"
        self._page.evaluate(script, [number, frames])

    def end(self, code: int, number: int = -1) -> None:
        self.look(f"sockets.at({number}).onclose({{ code: {code} }})")

    def welcome(self) -> None:
        """Open the newest socket and welcome the client."""
        self.look("sockets.at(-1).onopen()")
        number = self.sockets
        self.push({"op": "welcome", "resumeToken": f"resume-{number}", "cursor": "x", "heartbeatMs": HEARTBEAT_MS})

    def planned_ms(self) -> int:
        """Tell how long the client means to wait for its next socket."""
        return math.ceil(float(self.look("states.at(-1).waitMs")))

    def wait(self, ms: int) -> None:
        self._page.clock.run_for(ms)

    def reconnect(self) -> None:
        """Let the wait for the next socket pass."""
        before = self.sockets
        self.wait(self.planned_ms() + 1)
        assert self.sockets == before + 1
        self.welcome()
