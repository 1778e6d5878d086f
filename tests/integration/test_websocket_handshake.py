"""Who may open a socket, and how he is told that he may not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus

from sanctum_messaging.domain.errors import UnavailableError
from tests.acting import actor
from tests.hub_client import ClosedError, until
from tests.integration.websockets_world import Served, WebSocketLink, served_world

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from sanctum_messaging.adapters.sqlite.database import Database
    from sanctum_messaging.adapters.sqlite.store import SQLiteStore
    from tests.conftest import HandClock
    from tests.hub_client import Client, Frame


@pytest.fixture
async def service(store: SQLiteStore, database: Database, clock: HandClock) -> AsyncGenerator[Served]:
    async with served_world(store, database, clock) as service:
        service.world.actors["robot"] = replace(actor("robot", service=True), impersonating=False)
        yield service


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def refusal(service: Served, *protocols: str, headers: dict[str, str]) -> tuple[int, Frame, dict[str, str]]:
    with pytest.raises(InvalidStatus) as refused:
        await service.open(*protocols, headers=headers)
    response = refused.value.response
    return response.status_code, msgspec.json.decode(response.body), dict(response.headers.raw_items())


def chosen(client: Client) -> str | None:
    assert isinstance(client.link, WebSocketLink)
    return client.link.connection.subprotocol


class TestTheHeader:
    async def test_opens_the_stream_of_its_user(self, service: Served) -> None:
        client = await service.open(headers=bearer("ben"))
        assert (await client.hello())["user"] == "ben"

    @pytest.mark.parametrize("value", ["Bearer bad", "Bearer", "Basic YmVuOg==", "ben", ""])
    async def test_that_proves_nothing_is_refused_before_the_upgrade(self, service: Served, value: str) -> None:
        status, problem, headers = await refusal(service, headers={"Authorization": value})
        assert (status, problem["code"]) == (401, "unauthenticated")
        assert headers["content-type"] == "application/problem+json"
        assert headers["www-authenticate"].startswith("Bearer")

    async def test_s_a8_that_was_revoked_is_refused_before_the_upgrade(self, service: Served) -> None:
        service.world.revoked.add("ben")
        status, problem, headers = await refusal(service, headers=bearer("ben"))
        assert (status, problem["code"]) == (401, "unauthenticated")
        assert 'error="invalid_token"' in headers["www-authenticate"]

    async def test_wins_over_a_subprotocol(self, service: Served) -> None:
        status, *_ = await refusal(service, "sanctum.v1", "bearer.ben", headers=bearer("bad"))
        assert status == 401

    async def test_that_comes_twice_is_neither_of_the_two(self, service: Served) -> None:
        """As over HTTP: something before the service may have looked at the one alone. Here any text is a token."""
        client = await service.open(headers=Headers([*bearer("ben").items(), *bearer("ada").items()]))
        assert (await client.hello())["user"] == "ben, Bearer ada"

    async def test_of_another_user_than_the_hello_closes_with_4501(self, service: Served) -> None:
        client = await service.open(headers=bearer("ben"))
        await client.push("hello", token="ada")
        await client.assert_closed(4501)


class TestTheSubprotocol:
    async def test_brings_a_browsers_token(self, service: Served) -> None:
        client = await service.open("sanctum.v1", "bearer.ben")
        assert chosen(client) == "sanctum.v1"
        assert (await client.hello())["user"] == "ben"

    async def test_s_a8_with_a_revoked_token_is_accepted_and_closed(self, service: Served) -> None:
        service.world.revoked.add("ben")
        client = await service.open("sanctum.v1", "bearer.ben")
        await client.assert_closed(4503)

    async def test_with_a_bad_token_is_accepted_and_closed(self, service: Served) -> None:
        """A browser can't read a refused handshake."""
        client = await service.open("sanctum.v1", "bearer.bad")
        await client.assert_closed(4501)

    async def test_of_another_version_is_accepted_and_closed(self, service: Served) -> None:
        client = await service.open("sanctum.v9", headers=bearer("ben"))
        await client.assert_closed(4506)

    async def test_is_the_first_version_where_none_is_offered(self, service: Served) -> None:
        client = await service.open()
        assert chosen(client) is None
        assert (await client.hello(token="ben"))["user"] == "ben"

    async def test_is_chosen_among_others(self, service: Served) -> None:
        client = await service.open("sanctum.v9", "sanctum.v1")
        assert chosen(client) == "sanctum.v1"


class TestTheAddress:
    async def test_is_never_looked_into_for_a_token(self, service: Served) -> None:
        client = await service.open(query="?token=ben&access_token=ben")
        await client.push("hello")
        await client.assert_closed(4501)


class TestTheOrigin:
    @pytest.mark.parametrize("headers", [{}, bearer("ben")])
    async def test_that_is_not_allowed_is_refused_with_403(self, service: Served, headers: dict[str, str]) -> None:
        """Also where the token is still to come, and where it came as a subprotocol."""
        evil = {"Origin": "https://evil.example", **headers}
        for protocols in ((), ("sanctum.v1", "bearer.ben")):
            status, problem, _ = await refusal(service, *protocols, headers=evil)
            assert (status, problem["code"]) == (403, "origin_not_allowed")

    async def test_of_the_service_itself_is_always_allowed(self, service: Served) -> None:
        service.world.forbidden_origin = f"http://127.0.0.1:{service.port}"
        client = await service.open(headers={"Origin": service.world.forbidden_origin})
        assert (await client.hello(token="ben"))["user"] == "ben"


class TestActAs:
    async def test_opens_the_stream_of_another_user(self, service: Served) -> None:
        client = await service.open(headers={**bearer("robot"), "Act-As": "ben"})
        assert (await client.hello())["user"] == "ben"

    async def test_names_the_same_user_as_over_http(self, service: Served) -> None:
        """Written as UTF-8 or as Latin-1, or else he would be another one than in requests with the same header."""
        for sent in ("Zoë", "Zoë".encode().decode("latin-1")):  # The client encodes it as Latin-1.
            client = await service.open(headers={**bearer("robot"), "Act-As": sent})
            assert (await client.hello())["user"] == "Zoë"

    async def test_is_for_service_tokens_only(self, service: Served) -> None:
        status, problem, _ = await refusal(service, headers={**bearer("eve"), "Act-As": "ben"})
        assert (status, problem["code"]) == (403, "act_as_not_allowed")
        client = await service.open("sanctum.v1", "bearer.eve", headers={"Act-As": "ben"})
        await client.assert_closed(4503)

    async def test_acts_for_the_token_of_the_hello_too(self, service: Served) -> None:
        client = await service.open(headers={"Act-As": "ben"})
        assert (await client.hello(token="robot"))["user"] == "ben"


class TestWhatIsTooMuch:
    async def test_is_refused_before_the_upgrade_and_before_anything_is_proven(self, service: Served) -> None:
        service.world.take_on = overloaded
        for headers in (bearer("ben"), bearer("bad"), {}, {"Origin": service.world.forbidden_origin}):
            for protocols in ((), ("sanctum.v1", "bearer.ben")):
                status, problem, answered = await refusal(service, *protocols, headers=headers)
                assert (status, problem["code"], problem["retryAfterMs"]) == (503, "overloaded", 1_500)
                assert answered["retry-after"] == "2"

    async def test_is_no_more_so_once_a_socket_is_over_however_it_ended(self, service: Served) -> None:
        places = Places(service)
        for headers in (bearer("bad"), {"Origin": service.world.forbidden_origin}):
            await refusal(service, headers=headers)
        for protocols in (("sanctum.v1", "bearer.bad"), ("sanctum.v9", "bearer.ben")):
            client = await service.open(*protocols)
            with pytest.raises(ClosedError):
                await client.link.read()
        assert (places.taken, places.left) == (4, 4)
        client = await service.open(headers=bearer("ben"))
        await client.hello()
        assert (places.taken, places.left) == (5, 4)
        assert isinstance(client.link, WebSocketLink)
        client.link.connection.transport.abort()
        await until(lambda: places.left == 5)


async def test_a_hub_that_stops_leaves_handshakes_to_another_instance(service: Served) -> None:
    await service.world.hub.drain_over(20)
    for headers in (bearer("ben"), bearer("bad")):
        status, problem, answered = await refusal(service, headers=headers)
        assert (status, problem["code"], problem["retryable"]) == (503, "stopping", True)
        assert answered["retry-after"] == "1"


def overloaded(_peer: str | None) -> Callable[[], None]:
    raise UnavailableError("Not now.", code="overloaded", retry_after_ms=1_500)


class Places:
    """Counts what is taken on, and what is over."""

    def __init__(self, service: Served) -> None:
        self.taken = 0
        self.left = 0
        service.world.take_on = self.take_on

    def take_on(self, peer: str | None) -> Callable[[], None]:
        assert peer == "127.0.0.1"
        self.taken += 1
        return self.leave

    def leave(self) -> None:
        self.left += 1
