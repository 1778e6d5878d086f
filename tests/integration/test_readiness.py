"""Whether an instance wants requests while it can't prove whose they are."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx2
import pytest

from sanctum_messaging.adapters.jwt import jwks
from sanctum_messaging.bootstrap.service import open_service
from sanctum_messaging.config import load_config
from tests.identity_provider import AUDIENCE, ED, ISSUER, Provider, claims, published, running_provider, sign

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

_TABLE = '[[issuers]]\nissuer = "{issuer}"\naudience = "{audience}"\njwks_url = "{url}"\n'


@asynccontextmanager
async def trusting(tmp_path: Path, *providers: Provider) -> AsyncGenerator[httpx2.AsyncClient]:
    """Run a service that trusts these providers, the first of them under the name of our issuer."""
    names = [ISSUER, *(f"https://other.test/{number}" for number in range(len(providers) - 1))]
    tables = [
        _TABLE.format(issuer=name, audience=AUDIENCE, url=provider.url)
        for name, provider in zip(names, providers, strict=True)
    ]
    settings = tmp_path / "sanctum.toml"
    settings.write_text("".join(tables))
    config = load_config({"DATA_DIR": str(tmp_path), "SANCTUM_CONFIG": str(settings)})
    async with open_service(config) as service:
        transport = httpx2.ASGITransport(service.asgi)
        async with httpx2.AsyncClient(transport=transport, base_url="http://sanctum.test") as client:
            yield client


async def test_an_instance_that_starts_without_any_keys_waits_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a rolling restart would replace those that still have keys by some that refuse everybody."""
    monkeypatch.setattr(jwks, "COOLDOWN_MS", 0)
    async with running_provider(b"busy") as provider, trusting(tmp_path, provider) as client:
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/healthz")).status_code == 200

        provider.body = published(ed=ED)
        token = sign(claims(), ED, kid="ed")
        assert (await client.get("/v1/unread", headers={"Authorization": f"Bearer {token}"})).status_code != 503

        assert (await client.get("/readyz")).json() == {"status": "ready", "reasons": []}


async def test_keys_of_some_issuers_are_enough_to_serve_theirs(tmp_path: Path) -> None:
    async with (
        running_provider(published(ed=ED)) as well,
        running_provider(b"busy") as ill,
        trusting(tmp_path, well, ill) as client,
    ):
        answer = await client.get("/readyz")

        assert (answer.status_code, answer.json()) == (200, {"status": "degraded", "reasons": ["keys_unread"]})
