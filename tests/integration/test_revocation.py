"""Withdrawn tokens, from the command to the refused request and the closed socket."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import apsw
import pytest

from sanctum_messaging.adapters.jwt.development import DevelopmentIssuer
from sanctum_messaging.bootstrap import administration
from sanctum_messaging.config import load_config
from sanctum_messaging.control import Revoke, ask, socket_beside
from sanctum_messaging.protocol.codes import CloseCode
from tests.hub_client import until
from tests.integration.calling import Api, Caller, got, message, open_api, refused
from tests.unit.hub.in_memory import Sockets, open_sockets

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from tests.unit.hub.in_memory import Socket

UNREAD = "/v1/unread"


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and who calls with it."""

    text: str
    caller: Caller

    @property
    def id(self) -> str:
        payload = self.text.split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["jti"])


class World:
    """A service on SQLite, its sockets, and its administrator."""

    def __init__(self, api: Api, sockets: Sockets, data_dir: Path) -> None:
        self.api = api
        self.sockets = sockets
        self.data_dir = data_dir

    def token(self, user: str, *, later_s: int = 0, **claims: str) -> Token:
        """Issue a token, now or later."""
        issuer = DevelopmentIssuer.at(self.data_dir, lambda: time.time_ns() // 1_000_000 + 1000 * later_s)
        text = issuer.issue(user, **claims)  # type: ignore[arg-type]  # claims of the test's own
        return Token(text, Caller(self.api.client, user, {"Authorization": f"Bearer {text}"}))

    async def live(self, token: Token) -> Socket:
        """Open a stream."""
        return await self.sockets.live(token.text)

    async def revoke(self, kind: str, value: str, *, tenant: str = "default") -> None:
        """Revoke as the command does; in force on return."""
        path = socket_beside(self.data_dir / "messaging.db")
        await asyncio.to_thread(ask, path, Revoke(tenant, kind, value))


@pytest.fixture
async def world(api: Api, tmp_path: Path) -> AsyncGenerator[World]:
    async with open_sockets(api.service.hub) as sockets:
        yield World(api, sockets, tmp_path)


async def assert_refused(token: Token) -> None:
    response = await token.caller.get(UNREAD)
    refused(response, 401, "unauthenticated")
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


async def assert_good(*tokens: Token) -> None:
    for token in tokens:
        got(await token.caller.get(UNREAD), 200)


@pytest.mark.parametrize("kind", ["user", "session", "token"])
async def test_s_a8_what_is_revoked_is_refused_and_its_socket_closed(world: World, kind: str) -> None:
    revoked = world.token("ann", session="s1")
    others = [world.token("bob", session="s2"), world.token("ann", session="s1", tenant="other")]
    if kind != "user":
        others.append(world.token("ann", session="s3"))
    socket, *open_sockets = [await world.live(each) for each in (revoked, *others)]
    await assert_good(revoked, *others)

    await world.revoke(kind, {"user": "ann", "session": "s1", "token": revoked.id}[kind])

    await assert_refused(revoked)
    await socket.assert_closed(CloseCode.FORBIDDEN)
    await assert_good(*others)
    for each in open_sockets:
        await each.assert_replied(await each.push("ping"))


async def test_s_a1_nothing_is_delivered_after_it(world: World) -> None:
    ann, bob = world.token("ann"), world.token("bob")
    group = await bob.caller.create("ann")
    socket = await world.live(ann)

    await world.revoke("user", "ann")
    await bob.caller.send(group)

    await socket.assert_closed(CloseCode.FORBIDDEN)
    assert socket.events == []


async def test_s_a8_a_call_whose_body_is_held_back_until_then_is_refused(world: World) -> None:
    """It was let in before: what it asks for must not happen all the same."""
    ann, bob = world.token("ann"), world.token("bob")
    group = await ann.caller.create("bob")
    begun, revoked = asyncio.Event(), asyncio.Event()

    async def held_back() -> AsyncGenerator[bytes]:
        begun.set()
        await revoked.wait()
        yield message(group)

    headers = {**ann.caller._headers, "Content-Type": "application/json"}
    sending = asyncio.create_task(world.api.client.post("/v1/messages", content=held_back(), headers=headers))
    await begun.wait()
    await world.revoke("user", "ann")
    revoked.set()

    refused(await sending, 401, "unauthenticated")
    assert got(await bob.caller.get(f"/v1/conversations/{group}/messages"), 200)["messages"] == []


async def test_a_token_issued_later_is_good(world: World) -> None:
    before, other = world.token("ann"), world.token("ann")
    await world.revoke("user", "ann")
    after = world.token("ann", later_s=2)

    await assert_refused(before)
    await assert_refused(other)
    await assert_good(after)
    await world.live(after)


async def test_a_poll_that_waits_is_refused(world: World) -> None:
    ann = world.token("ann")
    await ann.caller.create("bob")
    end = got(await ann.caller.get("/v1/sync"), 200)["cursor"]
    poll = asyncio.create_task(ann.caller.get(f"/v1/sync?cursor={end}&waitMs=30000"))
    await until(lambda: bool(world.api.service.hub._polls._sleepers))

    await world.revoke("user", "ann")

    refused(await poll, 401, "unauthenticated")


async def test_a_service_is_judged_by_its_own_token(world: World) -> None:
    service = world.token("backend", scope="messaging:admin")
    for_ann = Caller(world.api.client, "ann", {"Authorization": f"Bearer {service.text}", "Act-As": "ann"})

    await world.revoke("user", "ann")
    got(await for_ann.get(UNREAD), 200)

    await world.revoke("user", "backend")
    refused(await for_ann.get(UNREAD), 401, "unauthenticated")
    await assert_refused(service)


async def test_hello_and_refresh_are_refused(world: World) -> None:
    ann, revoked = world.token("ann", session="s1"), world.token("ann", session="s1")
    live = await world.live(ann)
    await world.revoke("token", revoked.id)

    await live.assert_replied(await live.push("auth", token=revoked.text), code="unauthenticated")
    await live.assert_replied(await live.push("ping"))
    late = world.sockets.open()
    await late.push("hello", token=revoked.text)
    await late.assert_closed(CloseCode.FORBIDDEN)


async def test_it_survives_a_restart(tmp_path: Path) -> None:
    async with open_api(tmp_path) as api, open_sockets(api.service.hub) as sockets:
        world = World(api, sockets, tmp_path)
        ann, bob = world.token("ann"), world.token("bob")
        await world.revoke("user", "ann")
    async with open_api(tmp_path) as api:
        refused(await api.client.get(UNREAD, headers=ann.caller._headers), 401, "unauthenticated")
        got(await api.client.get(UNREAD, headers=bob.caller._headers), 200)


async def test_while_the_list_cannot_be_read_the_service_goes_on_and_says_so(world: World) -> None:
    """Such as while a backup is being restored: what an instance knows must not go with it."""
    ann = world.token("ann")
    await world.revoke("user", "ann")
    with closing(apsw.Connection(str(world.data_dir / "messaging.db"))) as connection:
        connection.execute("ALTER TABLE revocation RENAME TO elsewhere")
        await find_reasons(world, ["revocations_unreadable"])
        await assert_refused(ann)
        connection.execute("ALTER TABLE elsewhere RENAME TO revocation")
    await find_reasons(world, [])
    await assert_refused(ann)


async def find_reasons(world: World, reasons: list[str]) -> None:
    """Wait until ``/readyz`` gives these; the time limit of the suite ends it."""
    while got(await world.api.client.get("/readyz"), 200)["reasons"] != reasons:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.05)


async def test_s_a2_it_holds_on_every_instance_without_a_bus(postgres_url: str, tmp_path: Path) -> None:
    """Two instances that share a database and nothing else; the command goes to neither."""
    environ = {"DATABASE_URL": postgres_url}
    async with AsyncExitStack() as stack:
        apis = [await stack.enter_async_context(open_api(tmp_path, **environ)) for _ in range(2)]
        worlds = [World(api, await stack.enter_async_context(open_sockets(api.service.hub)), tmp_path) for api in apis]
        anns, bobs = [world.token("ann") for world in worlds], [world.token("bob") for world in worlds]
        sockets = [await world.live(token) for world, token in zip(worlds, anns, strict=True)]
        config = load_config(environ, only=["DATABASE_URL"])

        code = await asyncio.to_thread(administration.revoke, config, tenant="default", kind="user", value="ann")

        assert code == 0
        for socket in sockets:
            await socket.assert_closed(CloseCode.FORBIDDEN)
        for ann, bob in zip(anns, bobs, strict=True):
            await assert_refused(ann)
            await assert_good(bob)
