"""Who was refused, and why his token was: in the line that the id of the request or of the socket leads to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sanctum_messaging.control import Revoke, ask, socket_beside
from sanctum_messaging.protocol.codes import CloseCode
from tests.hub_client import ClosedError, until
from tests.integration.asgi_socket import open_socket
from tests.integration.calling import Api, got, refused
from tests.integration.visiting import PATH, PROXIED, Visitor, visited
from tests.log_lines import Lines

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "canary7f3a"
PHONE = {"device": "phone", "session": "s-1"}
ANN = {"tenant": "default", "user": "ann", **PHONE}


@pytest.fixture
def api(logged_api: Api) -> Api:
    return logged_api


def who(line: dict[str, Any]) -> dict[str, str]:
    return {name: line[name] for name in (*ANN, "bearer") if name in line}


def phone_of(api: Api, user: str) -> str:
    """Issue a token."""
    return api.issuer.issue(user, device="phone", session="s-1")


async def revoke(user: str, folder: Path) -> None:
    """Revoke as the command does; in force on return."""
    await asyncio.to_thread(ask, socket_beside(folder / "messaging.db"), Revoke("default", "user", user))


async def closed_in(lines: Lines, sockets: int = 1) -> list[dict[str, Any]]:
    """Wait until so many sockets have ended, which they do behind their clients' backs."""
    await until(lambda: len(lines.of("connection_closed")) == sockets)
    return lines.of("connection_closed")


# Who.


async def test_who_did_too_much_is_named(tmp_path: Path, lines: Lines) -> None:
    async with visited(tmp_path, PROXIED, read_per_user=1) as (api, _):
        ann = Visitor(api, "ann", **PHONE).caller
        got(await ann.get(PATH), 200)
        refused(await ann.get(PATH), 429, "rate_limited")

    assert [(line["status"], who(line)) for line in lines.of("request")] == [(200, ANN), (429, ANN)]
    assert [line.get("refused") for line in lines.of("request")] == [None, "read-user"]


async def test_whoever_may_not_act_for_others_is_named_himself(api: Api, lines: Lines) -> None:
    refused(await api.user("ann", **PHONE).get(PATH, **{"Act-As": CANARY}), 403, "act_as_not_allowed")

    assert [who(line) for line in lines.of("request")] == [ANN]
    assert CANARY not in lines.text


async def test_a_service_that_does_too_much_for_somebody_is_named_with_him(tmp_path: Path, lines: Lines) -> None:
    async with visited(tmp_path, PROXIED, read_per_user=1) as (api, _):
        service = api.service_for("ann")
        got(await service.get(PATH), 200)
        refused(await service.get(PATH), 429, "rate_limited")

    (_, line) = lines.of("request")
    assert (line["status"], line["user"], line["bearer"]) == (429, "ann", "backend")


async def test_whose_handshakes_are_too_many_is_named(tmp_path: Path, lines: Lines) -> None:
    async with visited(tmp_path, PROXIED, connect_per_user=1) as (api, _):
        ann = Visitor(api, "ann", **PHONE)
        assert [await ann.shake_hands(), await ann.shake_hands()] == [101, 429]

    (line,) = lines.of("request")
    assert (line["status"], who(line)) == (429, ANN)


async def test_a_socket_tells_at_its_end_how_many_frames_a_limit_refused(tmp_path: Path, lines: Lines) -> None:
    async with visited(tmp_path, PROXIED, per_device=1) as (api, _):
        ann = Visitor(api, "ann", **PHONE)
        group = await ann.caller.create()
        async with ann.open() as socket:
            await socket.hello()
            for number, code in ((1, None), (2, "rate_limited"), (3, "rate_limited")):
                fields = {"conversationId": group, "clientMessageId": f"c-{number}", "body": "Hello"}
                await socket.assert_replied(await socket.push("send", **fields), code=code)

    (closed,) = await closed_in(lines)
    assert (closed["frames"], closed["limited"], who(closed)) == (4, 2, ANN)


async def test_of_the_frames_that_are_refused_the_first_of_each_kind_is_told_at_once(api: Api, lines: Lines) -> None:
    ann = Visitor(api, "ann", **PHONE)
    async with ann.open() as socket:
        await socket.hello()
        for _ in range(2):
            fields = {"conversationId": CANARY, "clientMessageId": "c-1", "body": CANARY}
            await socket.assert_replied(await socket.push("send", **fields), code="not_found")
        (line,) = lines.of("frame_refused")

        assert (line["code"], who(line), line["session_id"]) == (
            "not_found",
            ANN,
            lines.of("connection_opened")[0]["session_id"],
        )
        shown = (await api.nobody.get("/metrics")).text
        assert 'sanctum_frames_refused_total{code="not_found"} 2.0' in shown
    assert CANARY not in lines.text


async def test_whose_hello_is_one_too_many_is_named(tmp_path: Path, lines: Lines) -> None:
    async with visited(tmp_path, PROXIED, connect_per_user=1) as (api, _):
        token = phone_of(api, "ann")
        async with open_socket(api.service.asgi, {"Host": "sanctum.test"}) as socket:
            await socket.hello(token=token)
        await closed_in(lines)
        async with open_socket(api.service.asgi, {"Host": "sanctum.test"}) as socket:
            await socket.assert_replied(await socket.push("hello", token=token), code="rate_limited")

    (_, closed) = await closed_in(lines, 2)
    assert (closed["limited"], who(closed)) == (1, ANN)


# Why a token was.


async def test_the_line_of_a_request_says_why_its_token_was_refused(api: Api, lines: Lines, tmp_path: Path) -> None:
    good, expired = phone_of(api, "ann"), api.issuer.issue("ann", ttl=-3600)
    await revoke("ann", tmp_path)
    given = {
        "no token": f"Basic {CANARY}",
        "not a signed token in compact form": f"Bearer {CANARY}",
        "the header is malformed": f"Bearer {CANARY}AA.{CANARY}.{CANARY}",
        "expired": f"Bearer {expired}",
        "revoked": f"Bearer {good}",
    }
    ids = {}
    for reason, authorization in given.items():
        ids[reason] = refused(await api.nobody.get(PATH, Authorization=authorization), 401, "unauthenticated")

    said = lines.of("request")
    assert {line["refused"]: line["request_id"] for line in said} == {
        why: each["requestId"] for why, each in ids.items()
    }
    assert [who(line) for line in said] == [{}, {}, {}, {}, ANN]
    assert not any(part in lines.text for part in (CANARY, *good.split("."), *expired.split(".")))


async def test_a_token_that_was_good_leaves_no_reason(api: Api, lines: Lines) -> None:
    got(await api.user("ann").get(PATH), 200)
    refused(await api.user("ann").get(f"{PATH}?x=1"), 422, "invalid", "x unknown")

    assert len(lines.of("request")) == 2
    assert not any("refused" in line for line in lines.of("request"))


async def test_the_reason_is_told_also_where_too_many_tokens_were_refused(tmp_path: Path, lines: Lines) -> None:
    async with visited(tmp_path, PROXIED, auth_failures=1) as (_, ann):
        for status in (401, 429):
            got(await ann.stranger.get(PATH, Authorization=f"Bearer {CANARY}"), status)

    assert [line["refused"] for line in lines.of("request")] == ["not a signed token in compact form"] * 2


async def test_the_line_of_a_refused_handshake_says_why(api: Api, lines: Lines, tmp_path: Path) -> None:
    token = phone_of(api, "ann")
    await revoke("ann", tmp_path)
    for given in (CANARY, token):
        async with open_socket(
            api.service.asgi, {"Host": "sanctum.test", "Authorization": f"Bearer {given}"}
        ) as socket:
            with pytest.raises(ClosedError):
                await socket.link.read()

    said = [(line["status"], line["refused"], who(line)) for line in lines.of("request")]
    assert said == [(401, "not a signed token in compact form", {}), (401, "revoked", ANN)]


async def test_the_line_of_a_socket_says_why_its_hello_was_refused(api: Api, lines: Lines, tmp_path: Path) -> None:
    token = phone_of(api, "ann")
    await revoke("ann", tmp_path)
    for sockets, given in enumerate((None, CANARY, token), start=1):
        async with open_socket(api.service.asgi, {"Host": "sanctum.test"}) as socket:
            await socket.push("hello", **({} if given is None else {"token": given}))
            await socket.assert_closed(CloseCode.FORBIDDEN if given == token else CloseCode.UNAUTHENTICATED)
        await closed_in(lines, sockets)

    said = [(line["refused"], who(line)) for line in await closed_in(lines, 3)]
    assert said == [("no token", {}), ("not a signed token in compact form", {}), ("revoked", ANN)]


async def test_the_line_of_a_socket_says_why_a_fresh_token_was_refused(api: Api, lines: Lines) -> None:
    token = phone_of(api, "ann")
    async with open_socket(api.service.asgi, {"Host": "sanctum.test", "Authorization": f"Bearer {token}"}) as socket:
        await socket.hello()
        fresh = await socket.push("auth", token=phone_of(api, "bob"))
        reply = await socket.assert_replied(fresh, code="unauthenticated")

    (closed,) = await closed_in(lines)
    assert closed["session_id"] == reply["problem"]["requestId"]
    assert (closed["refused"], who(closed)) == ("another caller than the socket's", ANN)


async def test_the_line_of_a_socket_says_that_its_token_was_revoked(api: Api, lines: Lines, tmp_path: Path) -> None:
    token = phone_of(api, "ann")
    async with open_socket(api.service.asgi, {"Host": "sanctum.test", "Authorization": f"Bearer {token}"}) as socket:
        await socket.hello()
        await revoke("ann", tmp_path)
        await socket.assert_closed(CloseCode.FORBIDDEN)

    (closed,) = await closed_in(lines)
    assert (closed["code"], closed["refused"], who(closed)) == (4503, "revoked", ANN)
