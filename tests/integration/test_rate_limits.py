"""The rate limits as callers meet them, over HTTP and on the socket.

Intervals last a day, so that nothing comes back while a test runs. The service believes the tests where they come from.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.asgi_socket import open_socket
from tests.integration.calling import Api, Caller, Json, got, open_api, refused

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


async def send(caller: Caller, group: str, number: int, *, status: int = 201) -> Json:
    """Send a message over HTTP."""
    body = {"conversationId": group, "clientMessageId": f"c-{number}", "body": "Hello"}
    return got(await caller.post("/v1/messages", body), status)


async def test_sends_over_http_and_the_socket_draw_on_the_same_limits(tmp_path: Path) -> None:
    async with visited(tmp_path, PROXIED, per_device=3) as (_, ann):
        group = await ann.caller.create()
        await send(ann.caller, group, 1)
        async with ann.open() as socket:
            await socket.hello()
            for number, code in ((2, None), (3, None), (4, "rate_limited"), (5, "rate_limited")):
                fields = {"conversationId": group, "clientMessageId": f"c-{number}", "body": "Hello"}
                reply = await socket.assert_replied(await socket.push("send", **fields), code=code)
                if code is not None:
                    assert reply["problem"]["scope"] == "device"
                    assert reply["problem"]["retryAfterMs"] > 0
            await socket.assert_replied(await socket.push("read", conversationId=group, seq=1))
        problem = await send(ann.caller, group, 6, status=429)
        assert (problem["code"], problem["scope"]) == ("rate_limited", "device")


async def test_reads_over_http_and_the_socket_draw_on_the_same_limit(tmp_path: Path) -> None:
    async with visited(tmp_path, PROXIED, read_per_user=2) as (_, ann):
        group = await ann.caller.create()
        got(await ann.caller.get(PATH), 200)
        async with ann.open() as socket:
            await socket.hello()
            await socket.assert_replied(await socket.push("read", conversationId=group, seq=1))
            refusal = await socket.assert_replied(
                await socket.push("read", conversationId=group, seq=1), code="rate_limited"
            )
            assert refusal["problem"]["scope"] == "user"
            await socket.assert_replied(await socket.push("typing", conversationId=group, on=True))
        refused(await ann.caller.get(PATH), 429, "rate_limited")


async def test_nothing_is_taken_for_what_is_refused(tmp_path: Path) -> None:
    async with visited(tmp_path, PROXIED, max=100, per_device=2, per_session=50, per_user=60) as (_, ann):
        group = await ann.caller.create()
        for number in range(2):
            await send(ann.caller, group, number)
        before = await ann.left()
        assert before == {"requests-address": 96, "send-device": 0, "send-session": 48, "send-user": 58}
        for number in range(3):
            await send(ann.caller, group, number, status=429)
        assert await ann.left() == {**before, "requests-address": 95}


async def test_answers_tell_what_is_left(tmp_path: Path) -> None:
    async with visited(tmp_path, PROXIED, max=100, per_device=2, per_user=60) as (_, ann):
        group = await ann.caller.create()
        policy = '"requests-address";q=100;w=86400, "send-device";q=2;w=86400, "send-user";q=60;w=86400'
        body = {"conversationId": group, "clientMessageId": "c-1", "body": "Hello"}
        for left, reset, unknown in ((1, 43_200, False), (0, 86_400, True)):
            answer = await ann.caller.post("/v1/messages", {**body, "nonsense": 1} if unknown else body)
            assert answer.status_code == (422 if unknown else 201)
            assert answer.headers["ratelimit-policy"] == policy
            assert answer.headers["ratelimit"] == f'"send-device";r={left};t={reset}'
        answer = await ann.caller.post("/v1/messages", body)
        problem = refused(answer, 429, "rate_limited")
        assert answer.headers["ratelimit-policy"] == policy
        assert answer.headers["ratelimit"].startswith('"send-device";r=0;t=')
        assert int(answer.headers["retry-after"]) == -(-problem["retryAfterMs"] // 1000)
        assert 43_000 < int(answer.headers["retry-after"]) <= 43_200
        for answer in (await ann.stranger.get(PATH), await ann.caller.get("/healthz")):
            assert not {"ratelimit", "ratelimit-policy"} & set(answer.headers)


async def test_what_names_nobody_is_counted_by_address_and_refused_unseen(tmp_path: Path) -> None:
    async with visited(tmp_path, PROXIED, max=7) as (api, ann):
        refused(await ann.stranger.get(PATH), 401, "unauthenticated")
        refused(await ann.stranger.get("/nowhere"), 404, "not_found")
        got(await ann.stranger.get("/openapi.json"), 200)
        preflight = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET"}
        got(await ann.stranger.call("OPTIONS", PATH, headers=preflight), 204)
        refused(await ann.stranger.get(PATH, Authorization="Bearer nonsense"), 401, "unauthenticated")
        refused(await ann.caller.call("DELETE", PATH), 405, "method_not_allowed")
        assert await ann.left() == {"requests-address": 0}
        for caller, path in ((ann.caller, PATH), (ann.stranger, PATH), (ann.stranger, "/nowhere")):
            problem = refused(await caller.get(path), 429, "rate_limited")
            assert problem["scope"] == "address"
        assert await ann.shake_hands() == 429
        for path in ("/healthz", "/readyz", "/metrics"):
            assert (await ann.stranger.get(path)).status_code == 200
        got(await Visitor(api, "ann", ELSEWHERE).caller.get(PATH), 200)


async def test_a_refused_request_is_not_even_read(tmp_path: Path) -> None:
    async with visited(tmp_path, PROXIED, per_device=1) as (api, ann):
        group = await ann.caller.create()
        await send(ann.caller, group, 1)
        statuses = []

        async def receive() -> Message:
            raise AssertionError("the body is asked for")

        async def send_it(message: Message) -> None:
            statuses.append(message.get("status"))

        headers = {**ann.headers, "Content-Type": "application/json"}
        scope = {
            "type": "http",
            "method": "POST",
            "scheme": "http",
            "path": "/v1/messages",
            "raw_path": b"/v1/messages",
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
        }
        await api.service.asgi(scope, receive, send_it)
        assert statuses[0] == 429


FORGED = [
    *({"X-Forwarded-For": f"198.51.100.{number}"} for number in range(3)),
    {"X-Forwarded-For": "::ffff:198.51.100.9"},
    {"x-forwarded-for": " 198.51.100.10 , 198.51.100.11"},
    {"X-FORWARDED-FOR": "unknown"},
    {"Forwarded": "for=198.51.100.12;proto=https"},
    {"X-Real-IP": "198.51.100.13"},
    {"X-Client-IP": "198.51.100.14"},
    {"CF-Connecting-IP": "198.51.100.15"},
    {"True-Client-IP": "198.51.100.16"},
]


@pytest.mark.parametrize("trusted", [{}, {"TRUSTED_PROXIES": "10.0.0.0/8"}])
async def test_s_d11_forged_headers_are_no_way_around_a_limit(tmp_path: Path, trusted: dict[str, str]) -> None:
    async with open_api(tmp_path, **DAY, **trusted, **limits(max=len(FORGED))) as api:
        ann = Visitor(api, "ann", None)
        for headers in FORGED:
            got(await ann.caller.get(PATH, **headers), 200)
        for headers in FORGED:
            refused(await ann.caller.get(PATH, **headers), 429, "rate_limited")
            assert await ann.shake_hands(**headers) == 429


@pytest.mark.parametrize(
    "written",
    [
        ["2001:db8::1", "2001:DB8:0:0::2", "[2001:db8::3]", "[2001:db8::4]:4711", "2001:db8::ffff:ffff:ffff:ffff"],
        ["198.51.100.7", " 198.51.100.7 ", "::ffff:198.51.100.7", "::FFFF:c633:6407", "6.6.6.6, 198.51.100.7"],
    ],
)
async def test_s_d11_one_client_is_one_however_he_is_written(tmp_path: Path, written: list[str]) -> None:
    async with visited(tmp_path, PROXIED, max=len(written) - 1) as (api, ann):
        for address in written[:-1]:
            got(await Visitor(api, "ann", address).caller.get(PATH), 200)
        refused(await Visitor(api, "ann", written[-1]).caller.get(PATH), 429, "rate_limited")
        got(await ann.caller.get(PATH), 200)


async def test_s_d11_sockets_and_requests_share_the_limit_of_their_address(tmp_path: Path) -> None:
    async with visited(tmp_path, PROXIED, max=3) as (api, ann):
        assert await ann.shake_hands() == 101
        got(await ann.caller.get(PATH), 200)
        assert await ann.shake_hands(Authorization="Bearer nonsense") == 401
        refused(await ann.caller.get(PATH), 429, "rate_limited")
        assert await ann.shake_hands() == 429
        assert await Visitor(api, "ann", ELSEWHERE).shake_hands() == 101


async def test_refused_handshakes_are_counted_and_then_refused_unseen(tmp_path: Path) -> None:
    listed = {**PROXIED, "CORS_ALLOWED_ORIGINS": "https://app.example.com"}
    async with visited(tmp_path, listed, max=4) as (api, ann):
        evil, bad = {"Origin": "https://evil.example"}, {"Authorization": "Bearer nonsense"}
        assert await ann.shake_hands(**evil) == 403
        assert await ann.shake_hands(**bad) == 401
        await ann.shake_hands("/ws")
        assert await ann.left() == {"requests-address": 0}
        assert [await ann.shake_hands(**each) for each in (evil, bad)] == [429, 429]
        assert await Visitor(api, "ann", ELSEWHERE).shake_hands(**bad) == 401


async def test_a_token_in_hello_is_charged_to_its_user_and_its_address_only_once(tmp_path: Path) -> None:
    async with visited(tmp_path, PROXIED, max=10, connect_per_address=5, connect_per_user=2) as (api, ann):
        token = {"token": ann.headers["Authorization"].removeprefix("Bearer ")}
        for left in (1, 0):
            async with open_socket(api.service.asgi, {"X-Forwarded-For": HERE}) as socket:
                await socket.hello(**token)
                await socket.assert_replied(await socket.push("auth", **token))
            assert (await ann.left())["connect-user"] == left
        # Two handshakes, and two looks at what is left.
        assert await ann.left() == {"requests-address": 5, "connect-address": 3, "connect-user": 0}
        async with open_socket(api.service.asgi, {"X-Forwarded-For": HERE}) as socket:
            reply = await socket.assert_replied(await socket.push("hello", **token), code="rate_limited")
            assert reply["problem"]["scope"] == "user"
        assert await ann.shake_hands() == 429
        assert await Visitor(api, "ben").shake_hands() == 101


async def test_one_address_opens_only_so_many_sockets(tmp_path: Path) -> None:
    async with visited(tmp_path, PROXIED, connect_per_address=2) as (api, ann):
        assert [await ann.shake_hands() for _ in range(3)] == [101, 101, 429]
        got(await ann.caller.get(PATH), 200)
        assert await Visitor(api, "ann", ELSEWHERE).shake_hands() == 101


async def test_too_many_refused_tokens_keep_only_refused_ones_waiting(tmp_path: Path) -> None:
    async with visited(tmp_path, PROXIED, auth_failures=2) as (api, ann):
        bad = {"Authorization": "Bearer nonsense"}
        refused(await ann.stranger.get(PATH, **bad), 401, "unauthenticated")
        assert await ann.shake_hands(**bad) == 401
        answer = await ann.stranger.get(PATH, **bad)
        assert refused(answer, 429, "rate_limited")["scope"] == "address"
        assert int(answer.headers["retry-after"]) > 0
        assert await ann.shake_hands(**bad) == 429
        got(await ann.caller.get(PATH), 200)
        assert await ann.shake_hands() == 101
        refused(await ann.stranger.get(PATH), 401, "unauthenticated")
        refused(await Visitor(api, "ann", ELSEWHERE).stranger.get(PATH, **bad), 401, "unauthenticated")


async def test_addresses_on_the_list_have_no_limit_and_their_users_do(tmp_path: Path) -> None:
    listed = {**PROXIED, "RATE_LIMIT_ALLOWLIST": "127.0.0.1, 203.0.113.0/29"}
    async with visited(tmp_path, listed, max=1, connect_per_address=1, auth_failures=1, read_per_user=4) as (api, ann):
        assert await ann.left() == {"read-user": 3}
        for _ in range(2):
            got(await ann.caller.get(PATH), 200)
            refused(await ann.stranger.get(PATH, Authorization="Bearer nonsense"), 401, "unauthenticated")
            assert await ann.shake_hands() == 101
        got(await ann.caller.get(PATH), 200)
        assert refused(await ann.caller.get(PATH), 429, "rate_limited")["scope"] == "user"
        unlisted = Visitor(api, "ben", ELSEWHERE)
        assert set(await unlisted.left()) == {"requests-address", "connect-address", "read-user"}
        assert refused(await unlisted.caller.get(PATH), 429, "rate_limited")["scope"] == "address"


async def test_a_service_draws_on_the_limits_of_the_user_it_acts_for(tmp_path: Path) -> None:
    async with visited(tmp_path, PROXIED, read_per_user=2) as (api, ann):
        got(await ann.caller.get(PATH), 200)
        got(await api.service_for("ann").get(PATH), 200)
        refused(await api.service_for("ann").get(PATH), 429, "rate_limited")
        refused(await ann.caller.get(PATH), 429, "rate_limited")
        got(await api.service_for("ben").get(PATH), 200)


async def test_in_shadow_mode_nothing_is_refused_and_it_is_counted(tmp_path: Path) -> None:
    async with visited(tmp_path, PROXIED, mode="shadow", max=2, per_device=1, frames=1) as (_, ann):
        group = await ann.caller.create()
        for number in range(3):
            body = {"conversationId": group, "clientMessageId": f"c-{number}", "body": "Hello"}
            answer = await ann.caller.post("/v1/messages", body)
            assert answer.status_code == 201
            assert "ratelimit" not in answer.headers
        async with ann.open() as socket:
            await socket.hello()
            for _ in range(5):
                await socket.assert_replied(await socket.push("ping"))
        metrics = (await ann.stranger.get("/metrics")).text
        assert 'sanctum_rate_limit_spared_total{limit="send-device"} 2.0' in metrics
        assert 'sanctum_rate_limit_spared_total{limit="requests-address"} 1.0' in metrics
        assert 'sanctum_rate_limited_total{limit="send-device"} 0.0' in metrics
        assert 'sanctum_rate_limit_spared_total{limit="frames"}' in metrics


async def test_refusals_are_counted_by_limit(tmp_path: Path) -> None:
    async with visited(tmp_path, PROXIED, read_per_user=1) as (_, ann):
        got(await ann.caller.get(PATH), 200)
        for _ in range(2):
            refused(await ann.caller.get(PATH), 429, "rate_limited")
        metrics = (await ann.stranger.get("/metrics")).text
        assert 'sanctum_rate_limited_total{limit="read-user"} 2.0' in metrics
        assert 'sanctum_rate_limited_total{limit="frames"} 0.0' in metrics


async def test_a_socket_that_says_too_much_is_closed(tmp_path: Path) -> None:
    async with visited(tmp_path, PROXIED, frames=1) as (_, ann), ann.open() as socket:
        await socket.hello()
        for _ in range(100):
            await socket.push("ping")
        await socket.assert_closed(4007)


@pytest.mark.parametrize(("trusted", "status", "handshake"), [("127.0.0.1", 200, 101), ("none", 403, 403)])
async def test_behind_a_proxy_that_ends_tls_ones_own_pages_may_call(
    tmp_path: Path, trusted: str, status: int, handshake: int
) -> None:
    listed = {"CORS_ALLOWED_ORIGINS": "https://app.example.com", "TRUSTED_PROXIES": trusted}
    async with open_api(tmp_path, **listed) as api:
        ann = Visitor(api, "ann")
        own = {"X-Forwarded-Proto": "https", "Origin": "https://sanctum.test", "Host": "sanctum.test"}
        assert (await ann.caller.get(PATH, **own)).status_code == status
        assert await ann.shake_hands(**own) == handshake
