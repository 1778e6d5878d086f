"""A stand-in for an identity provider: keys, tokens good and bad, and a real HTTP server that can misbehave."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from sanctum_messaging.adapters.jwt.claims import Issuer
from sanctum_messaging.adapters.jwt.jwks import JWKSCache
from sanctum_messaging.adapters.jwt.keys import StaticKeys, VerificationKey, parse_key_set
from sanctum_messaging.adapters.jwt.verifier import JWTVerifier, TrustedIssuer
from sanctum_messaging.domain.errors import UnauthenticatedError
from sanctum_messaging.ports.identity import VerifiedToken

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from sanctum_messaging.adapters.jwt.jwks import KeyDocument
    from sanctum_messaging.adapters.jwt.keys import KeySource

ISSUER = "https://id.example/realms/acme"
AUDIENCE = "sanctum"
NOW = 1_800_000_000_000

SigningKey = RSAKey | ECKey | OKPKey

RSA = RSAKey.generate_key(2048)
EC = ECKey.generate_key("P-256")
ED = OKPKey.generate_key("Ed25519")
PS_ONLY = RSAKey.generate_key(2048)
STRANGER = OKPKey.generate_key("Ed25519")


class MovingClock:
    """Milliseconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


def encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def claims(**changes: object) -> dict[str, object]:
    """The claims of a good token; ``...`` takes one away."""
    usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": NOW // 1000 + 3600}
    return {name: value for name, value in {**usual, **changes}.items() if value is not ...}


def signature(signing_input: str, key: Any, algorithm: str) -> bytes:  # noqa: ANN401 # Attacks sign with wrong keys.
    return JWSRegistry.algorithms["Ed25519" if algorithm == "EdDSA" else algorithm].sign(signing_input.encode(), key)


def sign(
    payload: Mapping[str, object] | bytes,
    key: SigningKey = ED,
    *,
    algorithm: str = "EdDSA",
    kid: str | None = "ed",
    **header: object,
) -> str:
    """Sign a token; what is not a mapping is signed as it is, and ``header`` may hold anything."""
    head = {"alg": algorithm, "kid": kid, **header}
    head = {name: value for name, value in head.items() if value is not None}
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signing_input = f"{encode(json.dumps(head).encode())}.{encode(body)}"
    return f"{signing_input}.{encode(signature(signing_input, key, algorithm))}"


def published(**keys: SigningKey | Mapping[str, object]) -> bytes:
    """The JWK Set of these keys by ``kid``; a mapping is published as it is."""
    entries = [
        key.as_dict(private=False, kid=kid, use="sig") if isinstance(key, RSAKey | ECKey | OKPKey) else dict(key)
        for kid, key in keys.items()
    ]
    return json.dumps({"keys": entries}).encode()


@dataclass
class Provider:
    """An HTTP server that answers each request with ``body``, as soon as ``open`` is set.

    ``pace_s`` is how long it takes for each byte.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hits: int = 0
    pace_s: float = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.hits += 1
            self.asked.set()
            await self.open.wait()
            headers = {"content-length": str(len(self.body)), "connection": "close", **self.headers}
            lines = [f"HTTP/1.1 {self.status} Whatever", *(f"{name}: {value}" for name, value in headers.items())]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            for part in (self.body[at : at + 1] for at in range(len(self.body))) if self.pace_s else [self.body]:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(self.pace_s)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def running_provider(body: bytes = b"") -> AsyncGenerator[Provider, None]:
    provider = Provider(body)
    provider.open.set()
    server = await asyncio.start_server(provider.answer, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
    try:
        yield provider
    finally:
        provider.open.set()
        server.close()
        await server.wait_closed()


def verifier_of(keys: KeySource, clock: Callable[[], int]) -> JWTVerifier:
    """A verifier that trusts this issuer alone."""
    return JWTVerifier([TrustedIssuer(Issuer(ISSUER, AUDIENCE), keys)], clock)


def cache_of(document: KeyDocument, clock: Callable[[], int], *, look_seconds: float = 3600) -> JWKSCache:
    """The cache of this issuer's keys; by default it reads them when asked alone, as far as a test is concerned."""
    return JWKSCache(document, clock, issuer=ISSUER, look_seconds=look_seconds)


KEYS = parse_key_set(
    published(rsa=RSA, ec=EC, ed=ED, ps={**PS_ONLY.as_dict(private=False), "kid": "ps", "alg": "PS256"})
)


class WatchedKeys(StaticKeys):
    """Keys that can be withdrawn, and that count how often they are looked for."""

    def __init__(self, keys: tuple[VerificationKey, ...] = KEYS) -> None:
        super().__init__(keys)
        self.searches = 0

    async def find(self, kid: str | None, algorithm: str) -> tuple[VerificationKey, ...]:
        self.searches += 1
        return await super().find(kid, algorithm)

    def withdraw(self, kid: str) -> None:
        self._keys = tuple(key for key in self._keys if key.kid != kid)


async def assert_accepted(verifier: JWTVerifier, token: str) -> None:
    assert isinstance(await verifier.verify(token), VerifiedToken)


async def assert_refused(verifier: JWTVerifier, token: str) -> str:
    """Have a token refused; why it was, as the log is told."""
    with pytest.raises(UnauthenticatedError) as refused:
        await verifier.verify(token)
    assert refused.value.detail == "A valid access token is needed."
    assert refused.value.refused
    return refused.value.refused
