from __future__ import annotations

import asyncio
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from sanctum_messaging.adapters.jwt.jwks import MAX_UNKNOWN_KIDS, TIMEOUT_S, FileDocument, HTTPDocument
from sanctum_messaging.adapters.jwt.keys import KeySetError
from sanctum_messaging.domain.errors import UnavailableError
from tests.hub_client import until
from tests.identity_provider import (
    ED,
    ISSUER,
    STRANGER,
    MovingClock,
    Provider,
    assert_accepted,
    assert_refused,
    cache_of,
    claims,
    encode,
    published,
    running_provider,
    sign,
    verifier_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, MutableMapping
    from pathlib import Path

    from sanctum_messaging.adapters.jwt.jwks import JWKSCache

NEW = STRANGER
"""The key that the provider changes to."""


@pytest.fixture
async def provider() -> AsyncGenerator[Provider, None]:
    async with running_provider(published(ed=ED)) as running:
        yield running


@pytest.fixture
async def cache(provider: Provider, clock: MovingClock) -> AsyncGenerator[JWKSCache, None]:
    cache = cache_of(HTTPDocument(provider.url), clock)
    yield cache
    await cache.close()


async def kids(cache: JWKSCache, kid: str | None) -> list[str | None]:
    return [key.kid for key in await cache.find(kid, "EdDSA")]


async def read_ended(cache: JWKSCache) -> None:
    """Wait for the read behind the requests' back."""
    assert cache._flight is not None
    await asyncio.wait({cache._flight})


async def test_keys_are_read_once_and_kept(provider: Provider, cache: JWKSCache, clock: MovingClock) -> None:
    await cache.start()

    for _ in range(100):
        clock.pass_seconds(5.9)
        assert await kids(cache, "ed") == ["ed"]
    assert provider.hits == 1


async def test_keys_are_read_when_first_needed(provider: Provider, cache: JWKSCache) -> None:
    assert await kids(cache, "ed") == ["ed"]
    assert provider.hits == 1


async def test_many_who_need_the_keys_at_once_cause_one_read(provider: Provider, cache: JWKSCache) -> None:
    provider.open.clear()
    waiting = [asyncio.create_task(kids(cache, "ed")) for _ in range(200)]
    await provider.asked.wait()
    provider.open.set()

    assert await asyncio.gather(*waiting) == [["ed"]] * 200
    assert provider.hits == 1


async def test_who_gives_up_waiting_does_not_end_the_read_for_others(provider: Provider, cache: JWKSCache) -> None:
    provider.open.clear()
    first, second = asyncio.create_task(kids(cache, "ed")), asyncio.create_task(kids(cache, "ed"))
    await provider.asked.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    provider.open.set()

    assert await second == ["ed"]
    assert provider.hits == 1


# An unknown kid: S-T3.


async def test_s_t3_ten_thousand_unknown_kids_cause_one_read_per_cooldown(
    provider: Provider, cache: JWKSCache, clock: MovingClock
) -> None:
    verifier = verifier_of(cache, clock)
    await verifier.start()
    good = sign(claims())
    forged = good.partition(".")[2]

    for round_ in range(4):
        clock.pass_seconds(30)
        for number in range(2500):
            await assert_refused(verifier, f"{header_with(f'{round_}-{number}')}.{forged}")
        await assert_accepted(verifier, good)
    assert provider.hits == 1 + 4


def header_with(kid: str) -> str:
    return encode(json.dumps({"alg": "EdDSA", "kid": kid}).encode())


async def test_s_t3_a_new_key_is_found_after_the_cooldown_at_the_latest(
    provider: Provider, cache: JWKSCache, clock: MovingClock
) -> None:
    await cache.start()
    provider.body = published(new=NEW)

    clock.pass_seconds(29.999)
    assert await kids(cache, "new") == []
    assert provider.hits == 1
    clock.pass_seconds(0.001)
    assert await kids(cache, "new") == ["new"]
    assert await kids(cache, "ed") == []


async def test_s_t3_a_new_key_is_found_while_strangers_use_up_every_read(
    provider: Provider, cache: JWKSCache, clock: MovingClock
) -> None:
    await cache.start()
    provider.body = published(ed=ED, new=NEW)
    clock.pass_seconds(30)

    assert await kids(cache, "stranger") == []
    assert await kids(cache, "new") == ["new"]


async def test_s_t3_an_unknown_kid_is_remembered_for_a_minute(
    provider: Provider, cache: JWKSCache, clock: MovingClock
) -> None:
    await cache.start()
    clock.pass_seconds(30)
    assert await kids(cache, "late") == []
    assert provider.hits == 2
    provider.body = published(ed=ED, late=NEW)

    clock.pass_seconds(59.999)
    assert await kids(cache, "late") == []
    assert provider.hits == 2
    clock.pass_seconds(0.001)
    assert await kids(cache, "late") == ["late"]


async def test_s_t3_the_memory_of_unknown_kids_is_bounded(
    provider: Provider, cache: JWKSCache, clock: MovingClock
) -> None:
    await cache.start()

    for number in range(MAX_UNKNOWN_KIDS + 5):
        cache._remember_unless_known(f"stranger-{number}")
    cache._remember_unless_known("ed")

    assert len(cache._unknown) == MAX_UNKNOWN_KIDS
    assert "stranger-4" not in cache._unknown
    assert "stranger-5" in cache._unknown
    assert "ed" not in cache._unknown


@pytest.mark.parametrize(("kid", "algorithm"), [("ed", "ES256"), (None, "ES256"), (None, "RS256")])
async def test_s_t3_a_known_kid_with_another_algorithm_causes_no_read(
    provider: Provider, cache: JWKSCache, clock: MovingClock, kid: str | None, algorithm: str
) -> None:
    await cache.start()
    clock.pass_seconds(60)

    assert await cache.find(kid, algorithm) == ()
    assert provider.hits == 1


# Age.


async def test_old_keys_are_read_again_behind_the_requests_back(
    provider: Provider, cache: JWKSCache, clock: MovingClock
) -> None:
    await cache.start()
    provider.body = published(new=NEW)
    provider.open.clear()
    provider.asked.clear()
    clock.pass_seconds(600)

    assert await kids(cache, "ed") == ["ed"]
    await provider.asked.wait()
    assert await kids(cache, "ed") == ["ed"]
    assert provider.hits == 2
    provider.open.set()
    await read_ended(cache)
    assert await kids(cache, "ed") == []


async def test_a_token_proven_before_ends_with_its_key(
    provider: Provider, cache: JWKSCache, clock: MovingClock
) -> None:
    verifier = verifier_of(cache, clock)
    token = sign(claims())
    await assert_accepted(verifier, token)
    provider.body = published(new=NEW)

    clock.pass_seconds(600)
    await assert_accepted(verifier, token)
    await read_ended(cache)
    await assert_refused(verifier, token)
    await assert_accepted(verifier, sign(claims(), NEW, kid="new"))


async def test_what_rests_on_a_key_ends_when_it_is_withdrawn_and_not_with_its_provider(
    provider: Provider, cache: JWKSCache, clock: MovingClock
) -> None:
    await cache.start()
    provider.status = 500
    clock.pass_seconds(90_000)
    with pytest.raises(UnavailableError):
        await cache.find("ed", "EdDSA")
    assert cache.publishes(ED.thumbprint())

    provider.status, provider.body = 200, published(new=NEW)
    clock.pass_seconds(30)
    assert await kids(cache, "new") == ["new"]
    assert not cache.publishes(ED.thumbprint())


async def test_a_key_of_the_same_name_replaces_the_old(
    provider: Provider, cache: JWKSCache, clock: MovingClock
) -> None:
    await cache.start()
    (old,) = await cache.find("ed", "EdDSA")
    provider.body = published(ed=NEW)
    clock.pass_seconds(600)

    assert cache.trusts(old)
    await read_ended(cache)
    assert not cache.trusts(old)


async def test_a_clock_that_was_set_back_takes_no_key_away(
    provider: Provider, cache: JWKSCache, clock: MovingClock
) -> None:
    await cache.start()
    provider.status = 500
    clock.pass_seconds(-86_400)

    assert await kids(cache, "ed") == ["ed"]


async def test_a_clock_that_was_set_back_delays_no_read(
    provider: Provider, cache: JWKSCache, clock: MovingClock
) -> None:
    await cache.start()
    clock.pass_seconds(30)
    assert await kids(cache, "new") == []
    provider.body = published(ed=ED, new=NEW)
    clock.pass_seconds(-86_400)

    assert await kids(cache, "new") == ["new"]


# While nobody asks.


@pytest.fixture
async def watched(provider: Provider, clock: MovingClock) -> AsyncGenerator[JWKSCache, None]:
    """A cache that has its keys, and looks at their age without pause."""
    cache = cache_of(HTTPDocument(provider.url), clock, look_seconds=0)
    await cache.start()
    provider.asked.clear()
    yield cache
    await cache.close()


@pytest.mark.timeout(60)
async def test_keys_that_nobody_asks_for_never_get_older_than_ten_minutes(
    provider: Provider, watched: JWKSCache, clock: MovingClock
) -> None:
    for hour in range(1, 4):
        clock.pass_seconds(599)
        await provider.asked.wait()
        await read_ended(watched)
        provider.asked.clear()

        assert watched.age_ms == 0
        assert provider.hits == 1 + hour


@pytest.mark.timeout(60)
async def test_the_first_token_after_a_quiet_time_is_judged_by_the_keys_of_now(
    provider: Provider, watched: JWKSCache, clock: MovingClock
) -> None:
    verifier = verifier_of(watched, clock)
    token = sign(claims())
    await assert_accepted(verifier, token)
    provider.body = published(new=NEW)

    clock.pass_seconds(599)
    await provider.asked.wait()
    await read_ended(watched)
    await assert_refused(verifier, token)
    await assert_accepted(verifier, sign(claims(), NEW, kid="new"))


@pytest.mark.timeout(60)
async def test_a_provider_that_fails_is_asked_again_after_the_cooldown_only(
    provider: Provider, watched: JWKSCache, clock: MovingClock
) -> None:
    provider.status = 500
    for failures in range(1, 4):
        clock.pass_seconds(599 if failures == 1 else 30)
        await provider.asked.wait()
        await read_ended(watched)
        provider.asked.clear()
        for _ in range(10):
            await asyncio.sleep(0)

        assert watched.failures == failures == provider.hits - 1
    assert await kids(watched, "ed") == ["ed"]


@pytest.mark.timeout(60)
async def test_a_file_that_nobody_asks_for_is_read_again(tmp_path: Path, clock: MovingClock) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(published(ed=ED))
    cache = cache_of(FileDocument(path), clock, look_seconds=0)
    await cache.start()
    path.write_bytes(published(new=NEW))
    clock.pass_seconds(599)
    await until(lambda: cache.age_ms == 0)

    assert await kids(cache, "ed") == []
    await cache.close()


async def test_closing_ends_the_watch(provider: Provider, clock: MovingClock) -> None:
    cache = cache_of(HTTPDocument(provider.url), clock)
    await cache.start()

    await cache.close()

    assert cache._watch is not None
    assert cache._watch.cancelled()


# A provider that fails: S-T3.


FAILURES: dict[str, dict[str, object]] = {
    "error": {"status": 500},
    "moved": {"status": 302, "headers": {"location": "/elsewhere"}},
    "forbidden": {"status": 403},
    "partial": {"status": 206},
    "garbage": {"body": b"<html>"},
    "not http": {"headers": {"content-length": "many"}},
    "cut off": {"headers": {"content-length": "100000"}},
    "no keys": {"body": b'{"keys": []}'},
    "too large": {"body": published(ed=ED) + b" " * 256 * 1024},
    "compressed": {"body": gzip.compress(published(new=NEW)), "headers": {"content-encoding": "gzip"}},
    "slow": {},
    "trickling": {"pace_s": 0.05},
}


def fail(provider: Provider, cache: JWKSCache, failure: str) -> None:
    vars(provider).update(FAILURES[failure])
    if failure in {"slow", "trickling"}:
        wait_at_most(cache, 0.05)
    if failure == "slow":
        provider.open.clear()


def mend(provider: Provider, cache: JWKSCache, body: bytes) -> None:
    vars(provider).update(status=200, headers={}, body=body, pace_s=0)
    wait_at_most(cache, TIMEOUT_S)
    provider.open.set()


def wait_at_most(cache: JWKSCache, seconds: float) -> None:
    """Change how long a read may take: short where it has to fail by that, and else so long that it never does."""
    assert isinstance(cache._document, HTTPDocument)
    cache._document._timeout_s = seconds


@pytest.mark.timeout(60)
@pytest.mark.parametrize("failure", FAILURES)
async def test_s_t3_known_keys_outlive_a_failure_and_new_ones_follow_it(
    provider: Provider, cache: JWKSCache, clock: MovingClock, failure: str
) -> None:
    await cache.start()
    fail(provider, cache, failure)

    clock.pass_seconds(600)
    assert await kids(cache, "new") == []
    assert await kids(cache, "ed") == ["ed"]
    assert provider.hits == 2

    mend(provider, cache, published(ed=ED, new=NEW))
    clock.pass_seconds(30)
    assert await kids(cache, "new") == ["new"]


@pytest.mark.parametrize("failure", FAILURES)
async def test_without_any_keys_the_service_says_that_it_cannot_tell(
    provider: Provider, cache: JWKSCache, clock: MovingClock, failure: str
) -> None:
    fail(provider, cache, failure)
    await cache.start()

    for _ in range(50):
        with pytest.raises(UnavailableError):
            await cache.find("ed", "EdDSA")
    assert provider.hits == 1

    mend(provider, cache, published(ed=ED))
    clock.pass_seconds(30)
    assert await kids(cache, "ed") == ["ed"]


async def test_s_t3_a_provider_that_is_down_takes_no_key_away(clock: MovingClock) -> None:
    async with running_provider(published(ed=ED)) as provider:
        cache = cache_of(HTTPDocument(provider.url), clock)
        await cache.start()

    for _ in range(10):
        clock.pass_seconds(600)
        assert await kids(cache, "ed") == ["ed"]
        assert await kids(cache, "new") == []
    await cache.close()


async def test_keys_are_kept_for_a_day_and_no_longer(provider: Provider, cache: JWKSCache, clock: MovingClock) -> None:
    await cache.start()
    (key,) = await cache.find("ed", "EdDSA")
    provider.status = 500

    clock.pass_seconds(86_399)
    assert await kids(cache, "ed") == ["ed"]
    await read_ended(cache)
    clock.pass_seconds(1)
    assert not cache.trusts(key)
    with pytest.raises(UnavailableError):
        await cache.find("ed", "EdDSA")


async def test_s_t3_a_slow_provider_delays_nobody_whose_key_is_known(
    provider: Provider, cache: JWKSCache, clock: MovingClock
) -> None:
    await cache.start()
    provider.open.clear()
    provider.asked.clear()
    clock.pass_seconds(600)
    stranger = asyncio.create_task(kids(cache, "stranger"))
    await provider.asked.wait()

    assert await kids(cache, "ed") == ["ed"]
    assert not stranger.done()
    provider.open.set()
    assert await stranger == []


async def test_closing_ends_a_read_that_is_under_way(provider: Provider, clock: MovingClock) -> None:
    cache = cache_of(HTTPDocument(provider.url), clock)
    provider.open.clear()
    waiting = asyncio.create_task(cache.start())
    await provider.asked.wait()

    await cache.close()

    await waiting
    assert cache._flight is not None
    assert cache._flight.cancelled()


async def test_a_cache_that_never_read_can_be_closed(provider: Provider, clock: MovingClock) -> None:
    verifier = verifier_of(cache_of(HTTPDocument(provider.url), clock), clock)

    await verifier.close()

    assert provider.hits == 0


async def test_failures_are_logged_without_the_address(
    provider: Provider, cache: JWKSCache, logged: list[MutableMapping[str, Any]]
) -> None:
    provider.status = 503
    await cache.start()

    assert logged == [
        {
            "event": "jwks_read_failed",
            "log_level": "warning",
            "issuer": ISSUER,
            "reason": "the provider answered 503",
            "keys_kept": 0,
        }
    ]


@pytest.mark.parametrize("url", ["https://[v1.x]/", "https://300.300.300.300/"])
async def test_an_address_that_nobody_can_ask_is_a_failed_read(url: str) -> None:
    document = HTTPDocument(url)

    with pytest.raises(KeySetError, match="could not be asked"):
        await document.read()
    await document.close()


# Where it is read from: S-T2.


@pytest.mark.parametrize(
    "url",
    ["http://id.example/jwks", "http://192.0.2.1/jwks", "file:///etc/passwd", "ftp://localhost/x", "jwks.json", ""],
)
def test_s_t2_keys_come_over_https_or_from_this_machine(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        HTTPDocument(url)


@pytest.mark.parametrize(
    "url", ["https://id.example/jwks", "http://localhost/x", "http://[::1]:8/x", "http://127.8.8.8/"]
)
async def test_these_addresses_are_allowed(url: str) -> None:
    await HTTPDocument(url).close()


async def test_s_t2_redirects_are_not_followed(provider: Provider, clock: MovingClock) -> None:
    async with running_provider() as canary:
        provider.status, provider.headers = 302, {"location": canary.url}
        document = HTTPDocument(provider.url)

        with pytest.raises(KeySetError, match="302"):
            await document.read()
        await document.close()
        assert canary.hits == 0


async def test_a_document_of_the_greatest_size_is_read(provider: Provider) -> None:
    provider.body = published(ed=ED).ljust(256 * 1024)
    document = HTTPDocument(provider.url)

    assert len(await document.read()) == 256 * 1024
    await document.close()


async def test_keys_are_read_from_a_file_and_read_again(tmp_path: Path, clock: MovingClock) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(published(ed=ED))
    cache = cache_of(FileDocument(path), clock)
    await cache.start()
    assert await kids(cache, "ed") == ["ed"]

    path.write_bytes(published(new=NEW))
    clock.pass_seconds(30)
    assert await kids(cache, "new") == ["new"]
    path.unlink()
    clock.pass_seconds(600)
    assert await kids(cache, "other") == []
    assert await kids(cache, "new") == ["new"]
    await cache.close()


async def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(published(ed=ED) + b" " * 256 * 1024)

    with pytest.raises(KeySetError, match="larger than 256 KiB"):
        await FileDocument(path).read()
