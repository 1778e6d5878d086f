"""How many sockets an address and a user may have, and an instance be asked for, in the whole service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.hub_client import until
from tests.integration.calling import got, open_api
from tests.integration.visiting import ELSEWHERE, Visitor

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.calling import Api

PROXIED = {"TRUSTED_PROXIES": "127.0.0.1", "RATE_LIMIT_ALLOWLIST": "none"}


async def refused(api: Api) -> dict[str, int]:
    """Ask what was not taken on, by the reason."""
    lines = (await api.client.get("/metrics")).text.splitlines()
    found = [line.rpartition(" ") for line in lines if line.startswith("sanctum_handshakes_refused_total{")]
    return {name.partition('"')[2].partition('"')[0]: int(float(count)) for name, _, count in found if float(count)}


async def test_an_address_has_so_many_and_another_as_many(tmp_path: Path) -> None:
    async with open_api(tmp_path, **PROXIED, CONNECTIONS_PER_ADDRESS="1") as api:
        ann, bob = Visitor(api, "ann"), Visitor(api, "bob", ELSEWHERE)
        async with ann.open() as client:
            await client.hello()
            assert await ann.shake_hands() == 429
            assert await bob.shake_hands() == 101
            assert await refused(api) == {"address": 1}
        await until(lambda: not api.service.hub.counters.connections)
        assert await ann.shake_hands() == 101


async def test_handshakes_without_a_place_count_against_their_address(tmp_path: Path) -> None:
    environ = {**PROXIED, "CONNECTIONS_PER_ADDRESS": "1", "RATE_LIMIT_MAX": "10", "RATE_LIMIT_INTERVAL_MS": "86400000"}
    async with open_api(tmp_path, **environ) as api:
        ann = Visitor(api, "ann")
        async with ann.open() as client:
            await client.hello()
            for _ in range(4):
                assert await ann.shake_hands() == 429
            left = await ann.left()
        # The question itself is one, too.
        assert left["requests-address"] == 10 - 1 - 4 - 1


async def test_an_address_without_a_limit_of_its_own_has_none_here_either(tmp_path: Path) -> None:
    environ = {**PROXIED, "RATE_LIMIT_ALLOWLIST": "203.0.113.0/24"}
    async with open_api(tmp_path, **environ, CONNECTIONS_PER_ADDRESS="1") as api:
        ann = Visitor(api, "ann")
        async with ann.open() as client:
            await client.hello()
            assert await ann.shake_hands() == 101


async def test_a_user_has_so_many_wherever_he_comes_from(tmp_path: Path) -> None:
    async with open_api(tmp_path, **PROXIED, CONNECTIONS_PER_USER="1") as api:
        ann, elsewhere, bob = Visitor(api, "ann"), Visitor(api, "ann", ELSEWHERE), Visitor(api, "bob")
        async with ann.open() as first, elsewhere.open() as second, bob.open() as other:
            await first.hello()
            await second.push("hello")
            await second.assert_closed(4505)
            await other.hello()
            await first.assert_replied(await first.push("ping"))


async def test_more_handshakes_than_an_instance_takes_on_are_told_to_come_later(tmp_path: Path) -> None:
    async with open_api(tmp_path, **PROXIED, HANDSHAKES_PER_SECOND="1") as api:
        ann = Visitor(api, "ann")
        # Four at once, and one more for each second that this takes.
        answers = [await ann.shake_hands() for _ in range(60)]
        assert answers[:4] == [101] * 4
        assert set(answers) == {101, 503}
        assert await refused(api) == {"rate": answers.count(503)}
        got(await ann.caller.get("/v1/unread"), 200)
