"""The wiring of who may call: which issuer the configuration makes the service believe."""

from __future__ import annotations

from pathlib import Path

import pytest

from sanctum_messaging.bootstrap.identity import development_issuer, token_verifier
from sanctum_messaging.config import Config, ConfigError, load_config
from sanctum_messaging.domain.errors import UnavailableError
from tests.identity_provider import (
    AUDIENCE,
    EC,
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


# Several issuers.


def several(folder: Path, *issuers: str) -> Config:
    (folder / "sanctum.toml").write_text("".join(f"[[issuers]]\naudience = '{AUDIENCE}'\n{each}\n" for each in issuers))
    return load_config({"SANCTUM_CONFIG": str(folder / "sanctum.toml")})


async def test_each_issuer_of_the_file_is_believed_within_its_bounds(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_bytes(published(k=EC))
    async with running_provider(published(k=ED)) as provider:
        config = several(
            tmp_path,
            f"issuer = 'https://a.example'\njwks_url = '{provider.url}'\ntenant_claim = 'org'\nsession_claim = 'x'",
            f"issuer = 'https://b.example'\njwks_file = '{tmp_path}/jwks.json'\ntenant = 'south'",
            f"issuer = 'https://c.example'\njwks_file = '{tmp_path}/jwks.json'\ntenant_claim = 'org'\n"
            "tenants = ['south']\nalgorithms = ['RS256']",
        )
        verifier = token_verifier(config, MovingClock())
        await verifier.start()

        first = await verifier.verify(sign(claims(iss="https://a.example", org="east", x="s1"), ED, kid="k"))
        second = await verifier.verify(sign(claims(iss="https://b.example"), EC, algorithm="ES256", kid="k"))

        assert (first.tenant, first.session, second.tenant) == ("east", "s1", "south")
        await assert_refused(verifier, sign(claims(iss="https://a.example", org="south"), ED, kid="k"))
        await assert_refused(verifier, sign(claims(iss="https://b.example"), ED, kid="k"))
        token = sign(claims(iss="https://c.example", org="south"), EC, algorithm="ES256", kid="k")
        await assert_refused(verifier, token)
        await verifier.close()


async def test_a_claim_may_tell_the_tenant_of_another_issuer_if_it_is_listed(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_bytes(published(k=EC))
    keys = f"jwks_file = '{tmp_path}/jwks.json'"
    config = several(
        tmp_path,
        f"issuer = 'https://a.example'\n{keys}\ntenant = 'south'",
        f"issuer = 'https://b.example'\n{keys}\ntenant_claim = 'org'\ntenants = ['south', 'default']",
    )
    verifier = token_verifier(config, MovingClock())

    for tenant in ("south", "default"):
        token = sign(claims(iss="https://b.example", org=tenant), EC, algorithm="ES256", kid="k")
        assert (await verifier.verify(token)).tenant == tenant
    await assert_refused(verifier, sign(claims(iss="https://b.example", org="x"), EC, algorithm="ES256", kid="k"))
    await verifier.close()


async def test_a_claim_never_tells_a_tenant_that_is_listed_for_another_issuer_alone(tmp_path: Path) -> None:
    """Else the users of the one provider could be users of a tenant that was given to the other."""
    (tmp_path / "jwks.json").write_bytes(published(k=EC))
    keys = f"jwks_file = '{tmp_path}/jwks.json'\ntenant_claim = 'org'"
    config = several(
        tmp_path, f"issuer = 'https://a.example'\n{keys}\ntenants = ['north']", f"issuer = 'https://b.example'\n{keys}"
    )
    verifier = token_verifier(config, MovingClock())

    for issuer, tenant in (("https://a.example", "north"), ("https://b.example", "east")):
        token = sign(claims(iss=issuer, org=tenant), EC, algorithm="ES256", kid="k")
        assert (await verifier.verify(token)).tenant == tenant
    await assert_refused(verifier, sign(claims(iss="https://b.example", org="north"), EC, algorithm="ES256", kid="k"))
    await verifier.close()


def test_a_key_file_of_an_issuer_without_keys_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "good.json").write_bytes(published(k=ED))
    (tmp_path / "bad.json").write_bytes(b"{}")
    config = several(
        tmp_path,
        f"issuer = 'a'\njwks_file = '{tmp_path}/good.json'",
        f"issuer = 'b'\njwks_file = '{tmp_path}/bad.json'",
    )

    with pytest.raises(ConfigError, match=r"SANCTUM_CONFIG: issuers\[1\].jwks_file: it is not a JWK Set"):
        token_verifier(config, MovingClock())
