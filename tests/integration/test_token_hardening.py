"""Rows S-T1 to S-T6 of the hardening table, against the running service and a real provider of keys.

Here each row is shown to hold on every way that a token comes in by. Its full table is in ``tests/unit/adapters/jwt``.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import OctKey

from sanctum_messaging.adapters.jwt import jwks
from sanctum_messaging.bootstrap.service import open_service
from sanctum_messaging.config import ConfigError, load_config
from sanctum_messaging.hub import connection
from sanctum_messaging.protocol.codes import CloseCode
from tests.identity_provider import (
    AUDIENCE,
    EC,
    ED,
    ISSUER,
    RSA,
    STRANGER,
    Provider,
    claims,
    encode,
    published,
    running_provider,
    sign,
)
from tests.integration.asgi_socket import open_socket

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, MutableMapping
    from pathlib import Path

    from starlette.types import ASGIApp

    from sanctum_messaging.hub.hub import WebSocketHub

NOW_S = int(time.time())
UNAUTHENTICATED = 4501
WELCOME = 101


@dataclass
class Gateway:
    """The running service, the provider that it trusts, and the ways in."""

    asgi: ASGIApp
    hub: WebSocketHub
    client: httpx2.AsyncClient
    provider: Provider

    async def get(self, token: str) -> httpx2.Response:
        """Call with a token."""
        return await self.client.get("/v1/conversations", headers=[(b"Authorization", f"Bearer {token}".encode())])

    async def shake_hands(self, *, header: str | None = None, protocol: str | None = None, hello: str = "") -> int:
        """Open a socket with a token: the status of a refusal, the code of a close, or 101 once it is served.

        An ``error`` to the ``hello`` is the status of its problem.
        """
        headers = [(b"host", b"sanctum.test")]
        if header is not None:
            headers.append((b"authorization", f"Bearer {header}".encode()))
        scope = {
            "type": "websocket",
            "scheme": "ws",
            "path": "/v1/ws",
            "raw_path": b"/v1/ws",
            "query_string": b"",
            "headers": headers,
            "subprotocols": ["sanctum.v1"] if protocol is None else ["sanctum.v1", f"bearer.{protocol}"],
            "client": ("127.0.0.1", 5000),
            "server": ("sanctum.test", 80),
            "extensions": {"websocket.http.response": {}},
        }
        first = json.dumps(
            {"op": "hello", "client": {"name": "t", "version": "1"}, **({"token": hello} if hello else {})}
        )
        return await _outcome(self.asgi, scope, first)

    async def assert_refused(self, token: str) -> None:
        """Try every way in."""
        answer = await self.get(token)
        problem = answer.json()
        assert (answer.status_code, problem.pop("code")) == (401, "unauthenticated"), answer.text
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert await self.shake_hands(header=token) == 401
        assert await self.shake_hands(protocol=token) == UNAUTHENTICATED
        assert await self.shake_hands(hello=token) == UNAUTHENTICATED

    async def assert_accepted(self, token: str) -> None:
        """Try every way in."""
        assert (await self.get(token)).status_code == 200
        assert await self.shake_hands(header=token) == WELCOME
        assert await self.shake_hands(protocol=token) == WELCOME
        assert await self.shake_hands(hello=token) == WELCOME


async def _outcome(asgi: ASGIApp, scope: dict[str, Any], first: str) -> int:
    outcome: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    said: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
    for message in ({"type": "websocket.connect"}, {"type": "websocket.receive", "text": first}):
        said.put_nowait(message)

    async def send(message: MutableMapping[str, Any]) -> None:
        if outcome.done():
            return
        code = message.get("status", message.get("code"))
        if code is None and message.get("text"):
            frame = json.loads(message["text"].partition("\n")[0])
            code = WELCOME if frame["op"] == "welcome" else frame["problem"]["status"]
        if code is not None:
            outcome.set_result(code)
            said.put_nowait({"type": "websocket.disconnect", "code": 1000})

    await asgi(scope, said.get, send)
    return await asyncio.wait_for(outcome, timeout=30)


@asynccontextmanager
async def opened(data_dir: Path, provider: Provider) -> AsyncGenerator[Gateway]:
    """Run a service that trusts the provider."""
    config = load_config(
        {
            "DATA_DIR": str(data_dir),
            "JWKS_URL": provider.url,
            "JWT_ISSUER": ISSUER,
            "JWT_AUDIENCE": AUDIENCE,
            "RATE_LIMIT_AUTH_FAILURES": "0",
            "RATE_LIMIT_CONNECT_PER_USER": "0",
        }
    )
    async with open_service(config) as service:
        transport = httpx2.ASGITransport(service.asgi, raise_app_exceptions=True)
        async with httpx2.AsyncClient(transport=transport, base_url="http://sanctum.test") as client:
            yield Gateway(service.asgi, service.hub, client, provider)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncGenerator[Gateway]:
    """The service, with the keys of a provider that works so far."""
    async with running_provider(published(rsa=RSA, ec=EC, ed=ED)) as provider, opened(tmp_path, provider) as gateway:
        yield gateway


def now(**changes: object) -> dict[str, object]:
    """The claims of a token that is good now."""
    return claims(**{"exp": NOW_S + 3600, **changes})


def unsigned(tail: str, **header: object) -> str:
    return f"{encode(json.dumps(header).encode())}.{encode(json.dumps(now()).encode())}.{tail}"


def confused_algorithms() -> Iterable[str]:
    pem = RSA.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, json.dumps(RSA.as_dict(private=False)).encode()):
        shared: Any = OctKey(secret, {"k": encode(secret), "kty": "oct"})
        yield sign(now(), shared, algorithm="HS256", kid="rsa")
    for algorithm in ("none", "None", "nOnE"):
        yield unsigned("", alg=algorithm)
        yield unsigned("AA", alg=algorithm, kid="ed")
    head, body, tail = sign(now(), RSA, algorithm="RS256", kid="rsa").split(".")
    for algorithm in ("PS256", "ES256", "EdDSA"):
        yield f"{encode(json.dumps({'alg': algorithm, 'kid': 'rsa'}).encode())}.{body}.{tail}"
    yield f"{head}.{body}."
    yield unsigned(encode(bytes(64)), alg="ES256", kid="ec")


def odd_forms() -> Iterable[str]:
    good = sign(now())
    head, body, tail = good.split(".")
    yield sign(now(), b64=False, crit=["b64"])
    yield sign(now(), b64=False)
    yield sign(now(), crit=["exp"])
    yield sign(good.encode(), cty="JWT")
    yield json.dumps({"protected": head, "payload": body, "signature": tail})
    yield json.dumps({"payload": body, "signatures": [{"protected": head, "signature": tail}]})
    yield from (f"{good}.", f"{good}..", f"{head}.{body}", f".{body}.{tail}", f"{head}..{tail}", f"{good}==", "..", ".")


async def test_s_t1_forged_and_odd_tokens_are_refused_on_every_way_in(gateway: Gateway) -> None:
    for algorithm, kid, key in (
        ("RS256", "rsa", RSA),
        ("PS256", "rsa", RSA),
        ("ES256", "ec", EC),
        ("Ed25519", "ed", ED),
    ):
        await gateway.assert_accepted(sign(now(), key, algorithm=algorithm, kid=kid))

    for token in (*confused_algorithms(), *odd_forms()):
        await gateway.assert_refused(token)


async def test_s_t1_all_refusals_are_one_answer(gateway: Gateway) -> None:
    tokens = [
        sign(now(), STRANGER),
        sign(now(exp=1)),
        sign(now(aud="other")),
        sign(now(), kid="unknown"),
        "x",
        "a.b.c.d.e",
    ]

    problems = [(await gateway.get(token)).json() for token in tokens]

    assert len({json.dumps({**problem, "requestId": ""}) for problem in problems}) == 1


async def test_s_t2_a_key_that_the_token_brings_along_is_never_fetched(gateway: Gateway) -> None:
    async with running_provider(published(ed=STRANGER)) as canary:
        for offer in (
            {"jku": canary.url},
            {"x5u": canary.url},
            {"jwk": STRANGER.as_dict(private=False)},
            {"x5c": [encode(b"certificate")]},
            {"kid": canary.url},
        ):
            token = sign(now(), STRANGER, **{"kid": "ed", **offer})  # type: ignore[arg-type] # Any header.
            await gateway.assert_refused(token)
        assert canary.hits == 0


async def test_s_t2_keys_are_read_where_the_configuration_says_and_nowhere_else(tmp_path: Path) -> None:
    async with running_provider(published(ed=ED)) as canary, running_provider() as provider:
        provider.status, provider.headers = 302, {"location": canary.url}
        async with opened(tmp_path, provider) as gateway:
            assert (await gateway.get(sign(now()))).status_code == 503
        assert (provider.hits, canary.hits) == (1, 0)
    for url in ("file:///etc/passwd", "http://192.0.2.1/jwks", "ftp://localhost/jwks"):
        with pytest.raises(ConfigError, match="JWKS_URL"):
            load_config({"JWKS_URL": url, "JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE})


async def test_s_t3_strangers_cause_no_reads_and_a_failing_provider_takes_no_key_away(gateway: Gateway) -> None:
    good = sign(now())

    for number in range(200):
        assert (await gateway.get(sign(now(), STRANGER, kid=f"stranger-{number}"))).status_code == 401
    gateway.provider.status = 500
    await gateway.assert_accepted(good)
    gateway.provider.open.clear()
    await gateway.assert_refused(sign(now(), STRANGER, kid="another"))
    await gateway.assert_accepted(sign(now(jti="unseen"), EC, algorithm="ES256", kid="ec"))

    # The start read them, and the cooldown after it is not over.
    assert gateway.provider.hits == 1


async def test_s_t3_while_the_provider_keeps_one_waiting_the_others_are_served(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The provider answers in this very loop: a read that blocked it would never end.
    monkeypatch.setattr(jwks, "COOLDOWN_MS", 0)
    gateway.provider.open.clear()
    gateway.provider.asked.clear()
    waiting = asyncio.create_task(gateway.get(sign(now(), STRANGER, kid="new")))
    await gateway.provider.asked.wait()

    await gateway.assert_accepted(sign(now()))
    assert not waiting.done()

    gateway.provider.body = published(new=STRANGER)
    gateway.provider.open.set()
    assert (await waiting).status_code == 200
    await gateway.assert_accepted(sign(now(), STRANGER, kid="new"))
    await gateway.assert_refused(sign(now()))


async def test_s_t3_a_withdrawn_key_ends_the_sockets_whose_tokens_it_proved(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "COOLDOWN_MS", 0)
    monkeypatch.setattr(connection, "KEY_SECONDS", 0)
    old, kept = sign(now(exp=NOW_S + 10**9)), sign(now(), EC, algorithm="ES256", kid="ec")
    headers = [{"Authorization": f"Bearer {token}"} for token in (old, kept)]
    async with open_socket(gateway.asgi, headers[0]) as ended, open_socket(gateway.asgi, headers[1]) as other:
        for socket in (ended, other):
            await socket.hello()
        gateway.provider.body = published(rsa=RSA, ec=EC, new=STRANGER)
        await gateway.assert_accepted(sign(now(), STRANGER, kid="new"))

        gateway.hub.tick()

        await ended.assert_closed(CloseCode.TOKEN_EXPIRED)
        await other.assert_replied(await other.push("ping"))
    await gateway.assert_refused(old)


async def test_s_t3_without_any_keys_the_answer_is_that_nobody_can_tell(tmp_path: Path) -> None:
    async with running_provider(b"<html>") as provider, opened(tmp_path, provider) as gateway:
        answer = await gateway.get(sign(now()))

        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "30"
        assert answer.json()["retryable"]
        assert (await gateway.get("nonsense")).status_code == 401
        assert provider.hits == 1


async def test_s_t4_a_huge_token_is_refused(gateway: Gateway) -> None:
    for token in (sign(now(groups="x" * 8_000)), "A" * 9_000, "A" * 5_000_000):
        assert (await gateway.get(token)).status_code == 401
        assert await gateway.shake_hands(header=token) == 401
        assert await gateway.shake_hands(protocol=token) == UNAUTHENTICATED
    # As a field of a frame it has a greatest length, like any other.
    assert await gateway.shake_hands(hello="A" * 9_000) == 422
    await gateway.assert_accepted(sign(now(groups="x" * 5_000)))


async def test_s_t5_a_claim_that_is_not_right_is_refused_on_every_way_in(gateway: Gateway) -> None:
    wrong: list[dict[str, object]] = [
        {"iss": ISSUER[:-1]},
        {"iss": ...},
        {"aud": ...},
        {"aud": ["other"]},
        {"exp": ...},
        {"exp": NOW_S - 60},
        {"exp": str(NOW_S + 3600)},
        {"exp": 1e400},
        {"nbf": NOW_S + 3600},
        {"iat": NOW_S + 3600},
        {"sub": ""},
        {"sub": "x" * 256},
    ]
    for changes in wrong:
        await gateway.assert_refused(sign(now(**changes)))


async def test_s_t6_an_encrypted_token_is_refused_without_a_look_for_keys(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "COOLDOWN_MS", 0)
    header = encode(json.dumps({"alg": "RSA-OAEP", "enc": "A256GCM", "zip": "DEF", "kid": "unknown"}).encode())

    await gateway.assert_refused(f"{header}.{'A' * 342}.AAAA.{'A' * 4000}.AAAA")

    assert gateway.provider.hits == 1
