"""Issuers beside one another: what one of them signs or suffers says nothing about the others."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from sanctum_messaging.adapters.jwt.claims import Issuer
from sanctum_messaging.adapters.jwt.jwks import HTTPDocument, JWKSCache
from sanctum_messaging.adapters.jwt.keys import parse_key_set
from sanctum_messaging.adapters.jwt.verifier import JWTVerifier, TrustedIssuer
from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.domain.model import ProvingKey, TenantId
from tests.identity_provider import (
    AUDIENCE,
    EC,
    ED,
    RSA,
    STRANGER,
    MovingClock,
    Provider,
    SigningKey,
    WatchedKeys,
    assert_accepted,
    assert_refused,
    claims,
    published,
    running_provider,
    sign,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, MutableMapping

A = Issuer("https://a.example", AUDIENCE, TenantId("north"))
B = Issuer("https://b.example", "other", TenantId("south"))


def of_a(**changes: object) -> dict[str, object]:
    return claims(iss=A.name, **changes)


def of_b(**changes: object) -> dict[str, object]:
    return claims(iss=B.name, **{"aud": "other", **changes})


def keys(**published_keys: object) -> WatchedKeys:
    return WatchedKeys(parse_key_set(published(**published_keys)))  # type: ignore[arg-type] # As published takes them.


@pytest.fixture
def of(clock: MovingClock) -> JWTVerifier:
    """A verifier that trusts A with one key and B with another, both of the same name."""
    return JWTVerifier([TrustedIssuer(A, keys(k=ED)), TrustedIssuer(B, keys(k=STRANGER))], clock)


async def test_a_token_is_of_the_issuer_that_it_names(of: JWTVerifier) -> None:
    first = await of.verify(sign(of_a(), ED, kid="k"))
    second = await of.verify(sign(of_b(), STRANGER, kid="k"))

    assert (first.tenant, second.tenant) == ("north", "south")


@pytest.mark.parametrize("kid", ["k", None])
async def test_s_t5_a_token_of_one_issuer_that_claims_to_be_of_another_is_refused(
    of: JWTVerifier, kid: str | None
) -> None:
    await assert_refused(of, sign(of_b(), ED, kid=kid))
    await assert_refused(of, sign(of_a(), STRANGER, kid=kid))


async def test_s_t5_a_token_is_meant_for_the_audience_of_its_own_issuer(of: JWTVerifier) -> None:
    await assert_refused(of, sign(of_a(aud="other"), ED, kid="k"))
    await assert_refused(of, sign(of_b(aud=AUDIENCE), STRANGER, kid="k"))


@pytest.mark.parametrize(
    "name", [..., None, "", 7, [A.name], A.name + "/", A.name[:-1], A.name.upper(), "https://a", " " + A.name, "*"]
)
async def test_s_t5_who_names_no_issuer_exactly_causes_no_search_for_keys(clock: MovingClock, name: object) -> None:
    of_both = [TrustedIssuer(A, keys(k=ED)), TrustedIssuer(B, keys(k=STRANGER))]

    await assert_refused(JWTVerifier(of_both, clock), sign(claims(iss=name), ED, kid="k"))

    assert [each.keys.searches for each in of_both if isinstance(each.keys, WatchedKeys)] == [0, 0]


@pytest.mark.parametrize(("key", "accepted"), [(ED, False), (STRANGER, True)])
async def test_s_t5_of_two_names_the_same_one_counts_before_and_after_the_proof(
    of: JWTVerifier, key: SigningKey, *, accepted: bool
) -> None:
    twice = json.dumps(of_b()).replace('"iss":', f'"iss": "{A.name}", "iss":').encode()

    await (assert_accepted if accepted else assert_refused)(of, sign(twice, key, kid="k"))


async def test_s_t5_a_claim_tells_no_tenant_that_another_issuer_is_bound_to(clock: MovingClock) -> None:
    claimed = replace(A, tenant_claim="org", foreign_tenants=frozenset({"south"}))
    verifier = JWTVerifier([TrustedIssuer(claimed, keys(k=ED)), TrustedIssuer(B, keys(k=STRANGER))], clock)

    assert (await verifier.verify(sign(of_a(org="west"), ED, kid="k"))).tenant == "west"
    await assert_refused(verifier, sign(of_a(org="south"), ED, kid="k"))
    # B is bound: whatever its tokens claim, they are of its tenant.
    assert (await verifier.verify(sign(of_b(org="west", tenant="west"), STRANGER, kid="k"))).tenant == "south"


async def test_s_t5_a_claim_tells_the_tenants_that_are_listed_and_no_other(clock: MovingClock) -> None:
    listed = replace(A, tenant_claim="org", tenants=frozenset({"west", "south"}), foreign_tenants=frozenset({"south"}))
    verifier = JWTVerifier([TrustedIssuer(listed, keys(k=ED)), TrustedIssuer(B, keys(k=STRANGER))], clock)

    assert (await verifier.verify(sign(of_a(org="west"), ED, kid="k"))).tenant == "west"
    assert (await verifier.verify(sign(of_a(org="south"), ED, kid="k"))).tenant == "south"
    for tenant in ("north", "West", "west ", ""):
        await assert_refused(verifier, sign(of_a(org=tenant), ED, kid="k"))


async def test_s_t1_an_issuer_may_be_held_to_some_algorithms(clock: MovingClock) -> None:
    searched = keys(rsa=RSA, ec=EC)
    verifier = JWTVerifier([TrustedIssuer(replace(A, algorithms=frozenset({"ES256"})), searched)], clock)

    await assert_accepted(verifier, sign(of_a(), EC, algorithm="ES256", kid="ec"))
    assert searched.searches == 1
    for algorithm in ("RS256", "PS256"):
        await assert_refused(verifier, sign(of_a(), RSA, algorithm=algorithm, kid="rsa"))
    assert searched.searches == 1


async def test_a_key_withdrawn_by_one_issuer_ends_no_token_of_another(clock: MovingClock) -> None:
    of_first, of_second = keys(k=ED), keys(k=ED)
    verifier = JWTVerifier([TrustedIssuer(A, of_first), TrustedIssuer(B, of_second)], clock)
    first, second = sign(of_a(), ED, kid="k"), sign(of_b(), ED, kid="k")
    await assert_accepted(verifier, first)
    await assert_accepted(verifier, second)

    of_first.withdraw("k")

    await assert_refused(verifier, first)
    await assert_accepted(verifier, second)
    assert of_second.searches == 1
    assert [verifier.trusts(ProvingKey(each.name, ED.thumbprint())) for each in (A, B)] == [False, True]


# Providers that misbehave: S-T3.


@dataclass
class Two:
    """A verifier of two issuers with a provider each."""

    verifier: JWTVerifier
    first: Provider
    second: Provider


@pytest.fixture
async def two(clock: MovingClock) -> AsyncGenerator[Two]:
    async with (
        running_provider(published(k=ED)) as first,
        running_provider(published(k=STRANGER)) as second,
        running(clock, {A: first, B: second}) as verifier,
    ):
        yield Two(verifier, first, second)


@asynccontextmanager
async def running(clock: MovingClock, providers: dict[Issuer, Provider]) -> AsyncGenerator[JWTVerifier]:
    trusted = [
        TrustedIssuer(issuer, JWKSCache(HTTPDocument(provider.url), clock, issuer=issuer.name))
        for issuer, provider in providers.items()
    ]
    verifier = JWTVerifier(trusted, clock)
    try:
        yield verifier
    finally:
        await verifier.close()


async def test_s_t3_all_keys_are_read_at_the_start_at_once(two: Two) -> None:
    two.first.open.clear()
    two.second.open.clear()
    starting = asyncio.create_task(two.verifier.start())
    await two.first.asked.wait()
    await two.second.asked.wait()

    two.first.open.set()
    two.second.open.set()
    await starting

    await assert_accepted(two.verifier, sign(of_a(), ED, kid="k"))
    await assert_accepted(two.verifier, sign(of_b(), STRANGER, kid="k"))
    assert (two.first.hits, two.second.hits) == (1, 1)


async def test_s_t3_an_outage_of_one_provider_touches_no_token_of_another(two: Two, clock: MovingClock) -> None:
    two.first.status = 500
    await two.verifier.start()

    with pytest.raises(UnavailableError):
        await two.verifier.verify(sign(of_a(), ED, kid="k"))
    await assert_accepted(two.verifier, sign(of_b(), STRANGER, kid="k"))
    two.first.status = 200
    clock.pass_seconds(30)
    await assert_accepted(two.verifier, sign(of_a(), ED, kid="k"))


async def test_s_t3_a_provider_that_never_answers_delays_no_token_of_another(two: Two, clock: MovingClock) -> None:
    await two.verifier.start()
    two.first.open.clear()
    two.first.asked.clear()
    clock.pass_seconds(30)
    waiting = asyncio.create_task(two.verifier.verify(sign(of_a(), EC, algorithm="ES256", kid="new")))
    await two.first.asked.wait()

    await assert_accepted(two.verifier, sign(of_b(), STRANGER, kid="k"))
    assert not waiting.done()

    two.first.body = published(k=ED, new=EC)
    two.first.open.set()
    assert (await waiting).tenant == "north"


async def test_s_t3_strangers_use_up_the_reads_of_the_issuer_alone_that_they_name(two: Two, clock: MovingClock) -> None:
    await two.verifier.start()
    clock.pass_seconds(30)
    for number in range(100):
        await assert_refused(two.verifier, sign(of_a(), ED, kid=f"stranger-{number}"))
        await assert_refused(two.verifier, sign(claims(iss="https://c.example"), ED, kid=f"stranger-{number}"))
    assert (two.first.hits, two.second.hits) == (2, 1)

    two.second.body = published(new=EC)
    await assert_accepted(two.verifier, sign(of_b(), EC, algorithm="ES256", kid="new"))


async def test_the_log_says_whose_keys_could_not_be_read(two: Two, logged: list[MutableMapping[str, Any]]) -> None:
    two.second.status = 503

    await two.verifier.start()

    failures = [each for each in logged if each["event"] == "jwks_read_failed"]
    assert [(each["issuer"], each["reason"]) for each in failures] == [(B.name, "the provider answered 503")]


async def test_without_an_issuer_nobody_is_believed(clock: MovingClock) -> None:
    await assert_refused(JWTVerifier([], clock), sign(claims()))
