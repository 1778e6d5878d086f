from __future__ import annotations

import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import OctKey

from sanctum_messaging.adapters.jwt.keys import MODELS
from sanctum_messaging.adapters.jwt.verifier import JWTVerifier
from sanctum_messaging.domain.model import Millis, ProvingKey, TenantId, UserId
from sanctum_messaging.ports.identity import VerifiedToken
from tests.identity_provider import (
    EC,
    ED,
    ISSUER,
    NOW,
    PS_ONLY,
    RSA,
    STRANGER,
    SigningKey,
    WatchedKeys,
    assert_accepted,
    assert_refused,
    claims,
    encode,
    published,
    running_provider,
    sign,
    signature,
)

if TYPE_CHECKING:
    from collections.abc import MutableMapping


def with_header(header: object, *, key: SigningKey = ED, algorithm: str = "EdDSA") -> str:
    """A token signed over a header that may be anything."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    signing_input = f"{encode(text)}.{encode(json.dumps(claims()).encode())}"
    return f"{signing_input}.{encode(signature(signing_input, key, algorithm))}"


@pytest.mark.parametrize(
    ("algorithm", "kid", "key"),
    [
        ("RS256", "rsa", RSA),
        ("PS256", "rsa", RSA),
        ("PS256", "ps", PS_ONLY),
        ("ES256", "ec", EC),
        ("EdDSA", "ed", ED),
        ("Ed25519", "ed", ED),
    ],
)
async def test_each_allowed_algorithm_proves(verifier: JWTVerifier, algorithm: str, kid: str, key: SigningKey) -> None:
    token = sign(claims(), key, algorithm=algorithm, kid=kid)

    assert await verifier.verify(token) == VerifiedToken(
        tenant=TenantId("default"),
        subject=UserId("alice"),
        device=None,
        session=None,
        scopes=frozenset(),
        expires_at=Millis(NOW + 3_600_000),
        proven_by=ProvingKey(ISSUER, key.thumbprint()),
    )


# Algorithms: S-T1.


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "NONE", "", "HS256", "RS1", "RS384", "ES512", "ES256K"])
@pytest.mark.parametrize("tail", ["", "AA"])
async def test_s_t1_an_algorithm_outside_the_list_is_refused_before_a_key_is_looked_for(
    verifier: JWTVerifier, keys: WatchedKeys, algorithm: str, tail: str
) -> None:
    head = encode(json.dumps({"alg": algorithm, "kid": "ed"}).encode())

    await assert_refused(verifier, f"{head}.{encode(json.dumps(claims()).encode())}.{tail}")

    assert keys.searches == 0


@pytest.mark.parametrize("kid", ["rsa", "ec", "ed", None])
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_s_t1_a_public_key_is_no_shared_secret(verifier: JWTVerifier, kid: str | None, algorithm: str) -> None:
    pem = RSA.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = RSA.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    secrets = [pem, pem.strip(), der, json.dumps(RSA.as_dict(private=False)).encode()]

    for secret in secrets:
        # joserfc refuses to take a PEM for a secret; an attacker would not.
        shared = OctKey(secret, {"k": encode(secret), "kty": "oct"})
        token = sign(claims(), shared, algorithm=algorithm, kid=kid)  # type: ignore[arg-type] # The attack.
        await assert_refused(verifier, token)


@pytest.mark.parametrize(
    ("said", "signed", "kid", "key"),
    [
        ("RS256", "PS256", "rsa", RSA),
        ("PS256", "RS256", "rsa", RSA),
        ("RS256", "RS256", "ps", PS_ONLY),
        ("ES256", "RS256", "rsa", RSA),
        ("ES256", "RS256", "ec", RSA),
        ("RS256", "ES256", "ec", EC),
        ("EdDSA", "ES256", "ec", EC),
        ("ES256", "Ed25519", "ed", ED),
        ("RS384", "RS384", "rsa", RSA),
        ("EdDSA", "EdDSA", "ed", STRANGER),
        ("EdDSA", "EdDSA", "nobody", ED),
    ],
)
async def test_s_t1_algorithm_key_and_signature_must_fit(
    verifier: JWTVerifier, said: str, signed: str, kid: str, key: SigningKey
) -> None:
    await assert_refused(verifier, with_header({"alg": said, "kid": kid}, key=key, algorithm=signed))


@pytest.mark.parametrize("forged", [b"\x00" * 64, b"\x00", b"\xff" * 64, b"\x00" * 63 + b"\x01"])
@pytest.mark.parametrize(("algorithm", "kid"), [("ES256", "ec"), ("EdDSA", "ed"), ("RS256", "rsa")])
async def test_s_t1_signatures_of_nothing_are_refused(
    verifier: JWTVerifier, algorithm: str, kid: str, forged: bytes
) -> None:
    head, body, _ = sign(claims(), algorithm="EdDSA", kid=kid).split(".")
    head = encode(json.dumps({"alg": algorithm, "kid": kid}).encode())

    await assert_refused(verifier, f"{head}.{body}.{encode(forged)}")


async def test_s_t1_a_changed_part_breaks_the_signature(verifier: JWTVerifier) -> None:
    head, body, tail = sign(claims(jti="a")).split(".")
    other_head, other_body, other_tail = sign(claims(sub="eve"), typ="JWT").split(".")

    for token in (f"{other_head}.{body}.{tail}", f"{head}.{other_body}.{tail}", f"{head}.{body}.{other_tail}"):
        await assert_refused(verifier, token)
    await assert_accepted(verifier, f"{head}.{body}.{tail}")


# The header: S-T1, S-T2.


@pytest.mark.parametrize("crit", [["exp"], ["b64"], ["x"], [], None, "exp", {}])
async def test_s_t1_any_crit_is_refused(verifier: JWTVerifier, crit: object) -> None:
    await assert_refused(verifier, with_header({"alg": "EdDSA", "kid": "ed", "crit": crit, "exp": 1, "x": 1}))


@pytest.mark.parametrize("header", [{"b64": False}, {"b64": False, "crit": ["b64"]}, {"b64": True}, {"b64": None}])
async def test_s_t1_an_unencoded_payload_is_refused(verifier: JWTVerifier, header: dict[str, object]) -> None:
    head = {"alg": "EdDSA", "kid": "ed", **header}
    payload = json.dumps(claims())
    unencoded = f"{encode(json.dumps(head).encode())}.{payload}"

    await assert_refused(verifier, with_header(head))
    await assert_refused(verifier, f"{unencoded}.{encode(signature(unencoded, ED, 'EdDSA'))}")


@pytest.mark.parametrize("typ", [None, "JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"])
async def test_s_t5_types_of_access_tokens_are_accepted(verifier: JWTVerifier, typ: str | None) -> None:
    await assert_accepted(verifier, sign(claims(), typ=typ))


@pytest.mark.parametrize("typ", ["", "dpop+jwt", "secevent+jwt", "logout+jwt", "JOSE", "JWT ", "at+jwt2", 1, ["JWT"]])
async def test_s_t5_other_types_are_refused(verifier: JWTVerifier, typ: object) -> None:
    await assert_refused(verifier, sign(claims(), typ=typ))


@pytest.mark.parametrize(
    "header",
    [
        [],
        ["alg"],
        "EdDSA",
        None,
        {},
        {"kid": "ed"},
        {"alg": None, "kid": "ed"},
        {"alg": 1, "kid": "ed"},
        {"alg": ["EdDSA"], "kid": "ed"},
        {"alg": "EdDSA", "kid": 7},
        {"alg": "EdDSA", "kid": ["ed"]},
        {"alg": "EdDSA", "kid": "e" * 257},
        b"{",
        b'{"alg": "EdDSA", "kid": "ed"} x',
        b'\xef\xbb\xbf{"alg": "EdDSA", "kid": "ed"}',
        b'{"alg": "EdDSA", "kid": "\xff"}',
        b'{"alg": "EdDSA", "kid": "\\ud800"}',
        b'{"alg": "EdDSA", "kid": "ed", "x": ' + b"[" * 3000 + b"]" * 3000 + b"}",
        b"[" * 5000,
    ],
)
async def test_s_t1_a_malformed_header_is_refused_before_a_key_is_looked_for(
    verifier: JWTVerifier, keys: WatchedKeys, header: object
) -> None:
    await assert_refused(verifier, with_header(header))

    assert keys.searches == 0


async def test_s_t2_a_key_that_the_token_brings_along_is_ignored(verifier: JWTVerifier) -> None:
    public = STRANGER.as_dict(private=False)

    async with running_provider(published(ed=STRANGER)) as canary:
        offers: list[dict[str, object]] = [
            {"jwk": public},
            {"jku": canary.url},
            {"x5u": canary.url, "x5c": ["AAAA"]},
            {"jku": "file:///etc/passwd"},
            {"kid": canary.url},
            {"kid": "../../etc/passwd"},
        ]
        for offer in offers:
            await assert_refused(verifier, sign(claims(), STRANGER, **{"kid": "ed", **offer}))  # type: ignore[arg-type]
            if "kid" not in offer:
                await assert_accepted(verifier, sign(claims(), ED, **offer))  # type: ignore[arg-type] # Any header.
        assert canary.hits == 0


async def test_header_members_of_no_concern_are_ignored(verifier: JWTVerifier) -> None:
    odd: dict[str, object] = {
        "jku": 7,
        "jwk": "x",
        "x5c": {},
        "cty": [],
        "signer": "arn:x",
        "zip": "DEF",
        "long": "x" * 2000,
    }

    await assert_accepted(verifier, sign(claims(), **odd))  # type: ignore[arg-type] # Any header.


# The outer form: S-T1, S-T4, S-T6.


async def test_s_t1_only_the_compact_form_is_taken(verifier: JWTVerifier) -> None:
    token = sign(claims())
    head, body, tail = token.split(".")
    member = {"protected": head, "signature": tail}
    forms = [
        "",
        ".",
        "..",
        f"{token}.",
        f"{token}..",
        f".{token}",
        f"{head}.{body}",
        f"{head}.{body}.",
        f"{head}..{tail}",
        f".{body}.{tail}",
        f"{token}.{body}",
        f"{token}.{body}.{tail}",
        f"{head}.{body}.{tail}=",
        f"{token}==",
        f"{token}\n",
        f" {token}",
        f"{token}\x00",
        f"{head}.{body}\n.{tail}",
        f"Bearer {token}",
        f"{head}.{body}.{tail[:-1]}é",
        f"{head}.{body}.{tail}🦊",
        f"{head}.{body}.+/{tail[2:]}",
        json.dumps({"payload": body, **member}),
        json.dumps({"payload": body, "signatures": [member]}),
    ]

    for form in forms:
        await assert_refused(verifier, form)
    await assert_accepted(verifier, token)


async def test_s_t1_no_second_spelling_of_a_signature_is_taken(verifier: JWTVerifier) -> None:
    token = sign(claims())

    # 64 bytes leave four unused bits in the last of 86 characters.
    for last in set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") - {token[-1]}:
        await assert_refused(verifier, token[:-1] + last)


async def test_s_t1_a_nested_token_is_refused(verifier: JWTVerifier) -> None:
    await assert_refused(verifier, sign(sign(claims()).encode(), cty="JWT"))
    await assert_refused(verifier, sign(json.dumps(sign(claims())).encode(), cty="JWT"))


async def test_s_t6_an_encrypted_token_is_refused_before_anything_is_decoded(
    verifier: JWTVerifier, keys: WatchedKeys
) -> None:
    header = encode(json.dumps({"alg": "RSA-OAEP", "enc": "A256GCM", "zip": "DEF", "kid": "rsa"}).encode())

    reason = await assert_refused(verifier, f"{header}.{'A' * 342}.AAAA.{'A' * 4000}.AAAA")

    assert keys.searches == 0
    assert reason == "not a signed token in compact form"


@pytest.mark.parametrize("size", [8 * 1024 + 1, 100_000, 20_000_000])
async def test_s_t4_a_huge_token_is_refused_unread(verifier: JWTVerifier, size: int) -> None:
    assert await assert_refused(verifier, "A" * size) == "larger than 8 KiB"


async def test_s_t4_a_token_of_a_hundred_megabytes_takes_no_memory(verifier: JWTVerifier) -> None:
    token = "A" * 100_000_000
    tracemalloc.start()
    try:
        await assert_refused(verifier, token)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 200_000


async def test_s_t4_a_token_of_eight_kibibytes_is_taken(verifier: JWTVerifier) -> None:
    tokens = (sign(claims(groups="x" * size), pad="x" * pad) for size in range(5800, 6000) for pad in range(3))

    await assert_accepted(verifier, next(token for token in tokens if len(token) == 8 * 1024))


async def test_s_t7_the_log_is_told_the_reason_and_nothing_of_the_token(
    verifier: JWTVerifier, logged: list[MutableMapping[str, Any]]
) -> None:
    canary = "canary4711"
    tokens = [
        canary,
        f"{canary}.{canary}.{canary}",
        sign(claims(), kid=canary),
        sign(claims(), algorithm="EdDSA", typ=canary),
        sign(claims(iss=canary)),
        sign(claims(aud=canary)),
        sign(claims(sub=f"{canary}\n")),
        sign(claims(exp=canary)),
        sign(claims(exp=1, sub=canary)),
        with_header({"alg": canary}),
        with_header({"alg": "EdDSA", "kid": "ed", "crit": [canary]}),
        sign({canary: canary}),
    ]

    reasons = [await assert_refused(verifier, token) for token in tokens]

    said = repr((reasons, logged))
    assert canary not in said
    assert not any(part in said for token in tokens for part in token.split("."))


def test_a_signature_is_checked_with_no_algorithm_but_the_one_of_the_header() -> None:
    proving = {algorithm: model.name for algorithm, model in MODELS.items()}
    assert proving == {"RS256": "RS256", "PS256": "PS256", "ES256": "ES256", "Ed25519": "Ed25519", "EdDSA": "Ed25519"}
