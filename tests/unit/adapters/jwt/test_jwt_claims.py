from __future__ import annotations

import json

import pytest
from joserfc.jwk import OKPKey

from sanctum_messaging.adapters.jwt.claims import Issuer, TokenRefused, read_claims
from sanctum_messaging.adapters.jwt.keys import StaticKeys, parse_key_set
from sanctum_messaging.adapters.jwt.verifier import MAX_REMEMBERED, JWTVerifier, TrustedIssuer, _Proof, _ProvenTokens
from tests.identity_provider import (
    AUDIENCE,
    EC,
    ED,
    ISSUER,
    KEYS,
    NOW,
    STRANGER,
    MovingClock,
    WatchedKeys,
    assert_accepted,
    assert_refused,
    claims,
    published,
    sign,
    verifier_of,
)

SECOND = NOW // 1000


def with_claim_text(name: str, text: str) -> str:
    """A token with a claim that no JSON writer would write."""
    return sign(json.dumps(claims(**{name: "@"})).replace('"@"', text).encode())


# The claims: S-T5.


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("iss", ...),
        ("iss", None),
        ("iss", ""),
        ("iss", ISSUER + "/"),
        ("iss", ISSUER[:-1]),
        ("iss", ISSUER.upper()),
        ("iss", [ISSUER]),
        ("iss", "https://id.example"),
        ("aud", ...),
        ("aud", None),
        ("aud", ""),
        ("aud", "sanctum2"),
        ("aud", "sanct"),
        ("aud", "SANCTUM"),
        ("aud", []),
        ("aud", ["other", "sanctum "]),
        ("aud", ["sanctum", 1]),
        ("aud", {"sanctum": 1}),
        ("sub", ...),
        ("sub", None),
        ("sub", ""),
        ("sub", "x" * 256),
        ("sub", 42),
        ("sub", ["alice"]),
        ("sub", "a\x00"),
        ("sub", "a\nb"),
        ("sub", "a\x7f"),
        ("sub", "a\x85"),
        ("exp", ...),
        ("exp", None),
        ("exp", str(SECOND + 60)),
        ("exp", SECOND + 60.5),
        ("exp", True),
        ("exp", -1),
        ("exp", 0),
        ("exp", 10**12),
        ("exp", 2**63),
        ("exp", 2**64),
        ("exp", 10**400),
        ("exp", [SECOND + 60]),
        ("nbf", SECOND + 31),
        ("nbf", str(SECOND)),
        ("nbf", SECOND + 0.5),
        ("nbf", None),
        ("nbf", -1),
        ("iat", "now"),
        ("iat", 1.5),
        ("device_id", ""),
        ("device_id", 7),
        ("device_id", "a\tb"),
        ("device_id", "d" * 256),
        ("sid", ["s"]),
        ("sid", ""),
        ("jti", 1),
        ("jti", "a\r\nb"),
        ("scope", 1),
        ("scope", {"messaging:admin": True}),
        ("scope", [1]),
    ],
)
async def test_s_t5_a_wrong_claim_is_refused(verifier: JWTVerifier, claim: str, value: object) -> None:
    await assert_refused(verifier, sign(claims(**{claim: value})))


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400", "1e9", "1.0", "1800000000e0", "01", "0x1"])
async def test_s_t5_times_are_whole_numbers(verifier: JWTVerifier, claim: str, text: str) -> None:
    await assert_refused(verifier, with_claim_text(claim, text))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"7",
        b"{",
        b'{"sub": "\xff"}',
        json.dumps(claims()).encode() + b"}",
        b"\xef\xbb\xbf" + json.dumps(claims()).encode(),
        json.dumps(claims(sub="@")).replace("@", "\\ud800").encode(),
        json.dumps(claims(x="@")).replace('"@"', "[" * 2400 + "]" * 2400).encode(),
        json.dumps(claims()).encode("utf-16"),
    ],
)
async def test_s_t5_a_malformed_payload_is_refused(verifier: JWTVerifier, payload: bytes) -> None:
    await assert_refused(verifier, sign(payload))


@pytest.mark.parametrize("audience", ["sanctum", ["sanctum"], ["other", "sanctum"]])
@pytest.mark.parametrize("subject", ["a", "auth0|5f7c", "x" * 255, "🦊" * 255, "Žofie Nováková", "a/b c"])
async def test_s_t5_right_claims_are_taken(verifier: JWTVerifier, audience: object, subject: str) -> None:
    assert (await verifier.verify(sign(claims(aud=audience, sub=subject)))).subject == subject


async def test_device_session_and_token_id_are_read(verifier: JWTVerifier) -> None:
    token = await verifier.verify(sign(claims(device_id="phone", sid="s-1", jti="t-1")))

    assert (token.device, token.session, token.token_id) == ("phone", "s-1", "t-1")


async def test_optional_claims_may_be_null(verifier: JWTVerifier) -> None:
    token = await verifier.verify(sign(claims(device_id=None, sid=None, jti=None, scope=None)))

    assert (token.device, token.session, token.token_id, token.scopes) == (None, None, None, frozenset())


@pytest.mark.parametrize("scope", ["messaging:admin  profile ", ["profile", "messaging:admin"]])
async def test_scopes_are_read_as_text_or_list(verifier: JWTVerifier, scope: object) -> None:
    assert (await verifier.verify(sign(claims(scope=scope)))).scopes == {"messaging:admin"}


async def test_a_tenant_claim_that_is_not_configured_is_ignored(verifier: JWTVerifier) -> None:
    assert (await verifier.verify(sign(claims(tenant="acme")))).tenant == "default"


async def test_claim_names_are_configured(clock: MovingClock) -> None:
    issuer = Issuer(
        ISSUER, AUDIENCE, tenant_claim="https://x.example/org", device_claim="dev", session_claim="session_state"
    )
    verifier = JWTVerifier([TrustedIssuer(issuer, StaticKeys(KEYS))], clock)
    named = claims(dev="d", session_state="s", device_id="no", sid="no", **{"https://x.example/org": "acme"})

    token = await verifier.verify(sign(named))

    assert (token.tenant, token.device, token.session) == ("acme", "d", "s")
    for tenant in (..., None, "", 7, "a\n"):
        await assert_refused(verifier, sign({**claims(**{"https://x.example/org": tenant})}))


def test_s_t5_claims_are_read_for_the_issuer_whose_keys_proved_them() -> None:
    payload = json.dumps(claims()).encode()

    assert read_claims(payload, Issuer(ISSUER, AUDIENCE), "").token.subject == "alice"
    with pytest.raises(TokenRefused, match="another issuer"):
        read_claims(payload, Issuer("https://b.example", AUDIENCE), "")


# Time, and what is remembered.


async def test_s_t5_a_token_ends_thirty_seconds_after_its_expiry(verifier: JWTVerifier, clock: MovingClock) -> None:
    token = sign(claims(exp=SECOND + 60))

    clock.pass_seconds(89.999)
    assert (await verifier.verify(token)).expires_at == NOW + 60_000
    clock.pass_seconds(0.001)
    await assert_refused(verifier, token)


async def test_s_t5_a_token_begins_thirty_seconds_before_its_time(verifier: JWTVerifier, clock: MovingClock) -> None:
    token = sign(claims(nbf=SECOND + 60))

    clock.pass_seconds(29.999)
    await assert_refused(verifier, token)
    clock.pass_seconds(0.001)
    await assert_accepted(verifier, token)
    clock.pass_seconds(-1)
    await assert_refused(verifier, token)


@pytest.mark.parametrize("others", [{}, {"nbf": SECOND}, {"nbf": 0}])
async def test_s_t5_a_token_of_the_future_is_refused_until_clocks_can_have_differed_by_no_more(
    verifier: JWTVerifier, clock: MovingClock, others: dict[str, object]
) -> None:
    token = sign(claims(iat=SECOND + 60, **others))

    clock.pass_seconds(29.999)
    await assert_refused(verifier, token)
    clock.pass_seconds(0.001)
    await assert_accepted(verifier, token)


async def test_a_token_was_issued_when_it_says_so(verifier: JWTVerifier) -> None:
    assert (await verifier.verify(sign(claims(iat=SECOND - 5)))).issued_at == NOW - 5_000
    assert (await verifier.verify(sign(claims()))).issued_at is None


async def test_a_proven_token_is_not_proven_again(verifier: JWTVerifier, keys: WatchedKeys) -> None:
    token = sign(claims())

    assert await verifier.verify(token) == await verifier.verify(token)
    assert keys.searches == 1
    assert (await verifier.verify(sign(claims(sub="bob")))).subject == "bob"
    assert keys.searches == 2


async def test_a_refused_token_is_not_remembered_as_proven(verifier: JWTVerifier) -> None:
    token = sign(claims(aud="other"))

    await assert_refused(verifier, token)
    await assert_refused(verifier, token)


async def test_a_withdrawn_key_ends_the_tokens_it_signed(verifier: JWTVerifier, keys: WatchedKeys) -> None:
    token, other = sign(claims()), sign(claims(), EC, algorithm="ES256", kid="ec")
    await assert_accepted(verifier, token)
    await assert_accepted(verifier, other)

    keys.withdraw("ed")

    await assert_refused(verifier, token)
    await assert_accepted(verifier, other)


async def test_what_is_remembered_is_bounded_and_drops_what_was_used_longest_ago(
    verifier: JWTVerifier, keys: WatchedKeys
) -> None:
    proven = _ProvenTokens()
    trusted = TrustedIssuer(Issuer(ISSUER, AUDIENCE), keys)
    proof = _Proof(await verifier._prove(sign(claims()).encode()), trusted, KEYS[0])
    for number in range(MAX_REMEMBERED):
        proven.remember(str(number).encode(), proof)
    assert proven.find(b"0")

    proven.remember(b"new", proof)

    assert len(proven._entries) == MAX_REMEMBERED
    assert proven.find(b"0")
    assert proven.find(b"new")
    assert not proven.find(b"1")


async def test_a_token_without_kid_needs_a_choice_of_one(clock: MovingClock) -> None:
    token = sign(claims(), kid=None)
    one, two = published(ed=ED, ec=EC), published(ed=ED, other=OKPKey.generate_key("Ed25519"))

    await assert_accepted(verifier_of(StaticKeys(parse_key_set(one)), clock), token)
    await assert_refused(verifier_of(StaticKeys(parse_key_set(two)), clock), token)


async def test_keys_that_share_a_kid_are_all_tried(clock: MovingClock) -> None:
    twins = json.dumps({"keys": [{**key.as_dict(private=False), "kid": "k"} for key in (STRANGER, ED)]}).encode()
    verifier = verifier_of(StaticKeys(parse_key_set(twins)), clock)

    await assert_accepted(verifier, sign(claims(), kid="k"))
