"""What one address may do, and that nobody gets around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.protocol.codes import CloseCode
from tests.integration.asgi_socket import open_socket
from tests.integration.calling import got, open_api, refused
from tests.integration.visiting import DAY, ELSEWHERE, HERE, PATH, PROXIED, Visitor, limits, visited

if TYPE_CHECKING:
    from pathlib import Path


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
        assert await ann.shake_hands("/nowhere") == 429
        for path in ("/healthz", "/readyz", "/metrics"):
            assert (await ann.stranger.get(path)).status_code == 200
        got(await Visitor(api, "ann", ELSEWHERE).caller.get(PATH), 200)


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


async def test_a_refused_token_costs_its_socket_however_many_were_refused(tmp_path: Path) -> None:
    """Or else a socket were a place to have tokens proven for nothing, as often as it may say something."""
    async with visited(tmp_path, PROXIED, auth_failures=1) as (api, ann):
        for token in ("nonsense", "nonsense again"):
            async with open_socket(api.service.asgi, {"X-Forwarded-For": HERE}) as socket:
                await socket.push("hello", token=token)
                await socket.assert_closed(CloseCode.UNAUTHENTICATED)
        async with open_socket(api.service.asgi, {"X-Forwarded-For": HERE}) as socket:
            await socket.hello(token=ann.headers["Authorization"].removeprefix("Bearer "))


async def test_a_refused_token_costs_an_open_stream_too_once_there_were_too_many(tmp_path: Path) -> None:
    async with (
        visited(tmp_path, PROXIED, auth_failures=1) as (api, ann),
        open_socket(api.service.asgi, {"X-Forwarded-For": HERE}) as socket,
    ):
        await socket.hello(token=ann.headers["Authorization"].removeprefix("Bearer "))
        await socket.assert_replied(await socket.push("auth", token="nonsense"), code="unauthenticated")
        await socket.push("auth", token="nonsense again")
        await socket.assert_closed(CloseCode.UNAUTHENTICATED)


async def test_once_forged_tokens_used_up_their_address_nobody_looks_at_their_signatures(tmp_path: Path) -> None:
    async with visited(tmp_path, PROXIED, max=3, auth_failures=0) as (_, ann):
        signed, _, signature = ann.headers["Authorization"].rpartition(".")
        forged = [{"Authorization": f"{signed}.{number:08}{signature[8:]}"} for number in range(5)]
        for each in forged[:3]:
            refused(await ann.stranger.get(PATH, **each), 401, "unauthenticated")
        before = await count_tokens_looked_at(ann)
        assert before == 3
        refused(await ann.stranger.get(PATH, **forged[3]), 429, "rate_limited")
        assert await ann.shake_hands(**forged[4]) == 429
        assert await count_tokens_looked_at(ann) == before


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


async def count_tokens_looked_at(visitor: Visitor) -> int:
    lines = (await visitor.stranger.get("/metrics")).text.splitlines()
    return next(int(float(line.split()[1])) for line in lines if line.startswith("sanctum_token_cache_misses_total "))
