from __future__ import annotations

import json

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from sanctum_messaging.adapters.jwt.keys import KeySetError, parse_key_set
from tests.identity_provider import EC, ED, RSA, encode


def jwk(key: RSAKey | ECKey | OKPKey, **changes: object) -> dict[str, object]:
    return {**key.as_dict(private=False), "kid": "k", **changes}


def modulus(bits: int) -> str:
    return encode((2 ** (bits - 1) + 1).to_bytes(256))


@pytest.mark.parametrize(
    ("entry", "algorithms"),
    [
        (jwk(RSA, n=modulus(2048)), {"RS256", "PS256"}),
        (jwk(RSA), {"RS256", "PS256"}),
        (jwk(RSA, alg="RS256", use="sig"), {"RS256"}),
        (jwk(RSA, alg="PS256"), {"PS256"}),
        (jwk(EC), {"ES256"}),
        (jwk(EC, alg="ES256", key_ops=["verify"]), {"ES256"}),
        (jwk(ED), {"EdDSA", "Ed25519"}),
        (jwk(ED, alg="EdDSA"), {"EdDSA", "Ed25519"}),
        (jwk(ED, alg="Ed25519"), {"EdDSA", "Ed25519"}),
        (jwk(ED, x5c=["?"], x5u=7, other={}), {"EdDSA", "Ed25519"}),
    ],
)
def test_a_key_proves_what_its_kind_and_its_publisher_allow(entry: dict[str, object], algorithms: set[str]) -> None:
    (key,) = parse_key_set(json.dumps({"keys": [entry]}).encode())

    assert key.algorithms == algorithms


UNUSABLE: list[object] = [
    jwk(RSA, n=modulus(1024)),
    jwk(RSA, n=modulus(2047)),
    jwk(RSA, use="enc"),
    jwk(RSA, key_ops=["encrypt"]),
    jwk(RSA, alg="RS512"),
    jwk(RSA, alg="RSA-OAEP"),
    jwk(RSA, alg="ES256"),
    jwk(RSA, alg="HS256"),
    jwk(RSA, n="AQAB"),
    jwk(RSA, n="!!!"),
    jwk(RSA, kid=7),
    jwk(EC, x="AAAA"),
    jwk(EC, y=None),
    jwk(ECKey.generate_key("P-384")),
    jwk(ECKey.generate_key("secp256k1")),
    jwk(OKPKey.generate_key("X25519")),
    jwk(OKPKey.generate_key("Ed448")),
    OctKey.generate_key(256).as_dict(private=True),
    {"kty": "RSA"},
    {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
    {},
    [],
    None,
    "key",
]


@pytest.mark.parametrize("entry", UNUSABLE)
def test_s_t1_a_key_of_no_use_is_passed_over(entry: object) -> None:
    (key,) = parse_key_set(json.dumps({"keys": [entry, jwk(ED)]}).encode())

    assert key.kid == "k"
    assert key.thumbprint == ED.thumbprint()


def test_the_private_part_of_a_key_is_not_taken() -> None:
    for private in (RSA, EC, ED):
        (key,) = parse_key_set(json.dumps({"keys": [private.as_dict(private=True)]}).encode())
        assert not key.key.is_private


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"keys": {}}',
        b'{"keys": 1}',
        b'{"keys": [' + b"[" * 5000,
        pytest.param(json.dumps(jwk(ED)).encode(), id="a lone key"),
        json.dumps({"keys": UNUSABLE}).encode(),
        json.dumps({"keys": [jwk(ED)] * 33}).encode(),
    ],
)
def test_what_is_no_key_set_is_refused(document: bytes) -> None:
    with pytest.raises(KeySetError):
        parse_key_set(document)


def test_thirty_two_keys_are_read() -> None:
    assert len(parse_key_set(json.dumps({"keys": [jwk(ED, kid=str(number)) for number in range(32)]}).encode())) == 32
