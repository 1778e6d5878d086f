"""The wiring of who may call: which issuer the configuration makes the service believe."""

from __future__ import annotations

from pathlib import Path

import pytest

from sanctum_messaging.bootstrap.identity import development_issuer, token_verifier
from sanctum_messaging.config import Config, ConfigError, load_config
from sanctum_messaging.domain.errors import UnavailableError
from tests.unit.adapters.jwt.identity_provider import (
    AUDIENCE,
    ED,
    ISSUER,
    MovingClock,
    assert_refused,
    claims,
    published,
    running_provider,
    sign,
)


def production(**environ: str) -> Config:
    return load_config({"JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE, **environ})


def development(data_dir: Path) -> Config:
    return load_config({}, {"DATA_DIR": str(data_dir)}, dev=True)


async def test_in_development_the_tokens_of_this_data_directory_are_believed(tmp_path: Path) -> None:
    clock = MovingClock()
    config = development(tmp_path / "data")
    verifier = token_verifier(config, clock)
    await verifier.start()

    token = await verifier.verify(development_issuer(config, clock).issue("alice", tenant="acme"))

    assert (token.subject, token.tenant) == ("alice", "acme")
    foreign = development_issuer(development(tmp_path / "other"), clock)
    await assert_refused(verifier, foreign.issue("alice"))
    await verifier.close()


async def test_in_production_the_provider_is_believed_and_the_development_issuer_is_not(tmp_path: Path) -> None:
    clock = MovingClock()
    async with running_provider(published(ed=ED)) as provider:
        config = production(
            JWKS_URL=provider.url,
            DATA_DIR=str(tmp_path),
            JWT_TENANT="acme",
            JWT_DEVICE_CLAIM="dev",
            JWT_SESSION_CLAIM="session_state",
        )
        verifier = token_verifier(config, clock)
        await verifier.start()

        token = await verifier.verify(sign(claims(dev="phone", session_state="s1", tenant="other")))

        assert (token.tenant, token.device, token.session) == ("acme", "phone", "s1")
        await assert_refused(verifier, development_issuer(config, clock).issue("alice"))
        await verifier.close()


async def test_the_tenant_can_be_told_by_a_claim(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_bytes(published(ed=ED))
    verifier = token_verifier(production(JWKS_FILE=str(tmp_path / "jwks.json"), JWT_TENANT_CLAIM="org"), MovingClock())

    assert (await verifier.verify(sign(claims(org="acme")))).tenant == "acme"
    await assert_refused(verifier, sign(claims()))
    await verifier.close()


async def test_a_provider_that_is_down_stops_no_start() -> None:
    async with running_provider() as provider:
        url = provider.url
    verifier = token_verifier(production(JWKS_URL=url), MovingClock())
    await verifier.start()

    with pytest.raises(UnavailableError):
        await verifier.verify(sign(claims()))
    await verifier.close()


@pytest.mark.parametrize("content", [b"", b'{"keys": []}', b" " * 300_000])
def test_a_key_file_without_keys_stops_the_start(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "jwks.json").write_bytes(content)

    with pytest.raises(ConfigError, match="JWKS_FILE"):
        token_verifier(production(JWKS_FILE=str(tmp_path / "jwks.json")), MovingClock())


def test_a_broken_development_key_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "development-key.json").write_text("?")

    with pytest.raises(ConfigError, match="DATA_DIR"):
        token_verifier(development(tmp_path), MovingClock())


def test_without_an_issuer_there_is_no_verifier() -> None:
    for missing in ({"JWT_ISSUER": "i", "JWT_AUDIENCE": "a"}, {}):
        config = load_config(missing, only=tuple(missing))
        with pytest.raises(ConfigError):
            token_verifier(config, MovingClock())
