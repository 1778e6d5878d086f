"""The rate limits as callers meet them, over HTTP and on the socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.calling import Caller, Json, got, refused
from tests.integration.visiting import PATH, PROXIED, visited

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Message


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
