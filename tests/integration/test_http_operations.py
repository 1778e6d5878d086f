"""What operators and their tools ask, without a token."""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING

import apsw

from tests.integration.calling import Api, got, open_api, refused

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def test_health_and_readiness(api: Api) -> None:
    assert got(await api.nobody.get("/healthz"), 200) == {"status": "ok"}
    assert got(await api.nobody.get("/readyz"), 200) == {"status": "ready", "reasons": []}


async def test_a_stopping_instance_is_not_ready_but_alive(api: Api) -> None:
    api.service.gate.close()
    response = await api.nobody.get("/readyz")
    assert refused(response, 503, "stopping")["retryable"]
    assert response.headers["retry-after"] == "1"
    got(await api.nobody.get("/healthz"), 200)
    # It is told apart from what somebody has to be called for.
    shown = (await api.nobody.get("/metrics")).text
    assert re.findall(r'^sanctum_readiness\{state="(\w+)"\} 1.0$', shown, re.MULTILINE) == ["stopping"]


async def test_metrics_count_appends(api: Api) -> None:
    await api.user("ann").create("bob")
    response = await api.nobody.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert re.search(r"^sanctum_append_events(_total)? 1(\.0)?$", response.text, re.MULTILINE)


async def test_metrics_tell_of_a_database_that_takes_no_writes_though_nobody_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("api.readiness.PROOF_DEADLINE_S", "bootstrap.gate.LOOK_SECONDS"):
        monkeypatch.setattr(f"sanctum_messaging.{name}", 0.1)
    monkeypatch.setattr("sanctum_messaging.api.readiness.DEGRADED_S", 0)
    async with open_api(tmp_path) as api:
        other = apsw.Connection(str(tmp_path / "messaging.db"))
        other.execute("BEGIN IMMEDIATE")
        await metrics_show(api, "not_ready")
        other.execute("ROLLBACK")
        other.close()
        await metrics_show(api, "ready")


async def metrics_show(api: Api, state: str) -> None:
    """Wait until they do."""
    async with asyncio.timeout(30):
        while True:
            shown = (await api.nobody.get("/metrics")).text
            if f'sanctum_readiness{{state="{state}"}} 1.0' in shown:
                return
            await asyncio.sleep(0.05)


async def test_the_docs_are_one_page_that_loads_and_runs_nothing(api: Api) -> None:
    response = await api.nobody.get("/docs")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    (style,) = re.findall(r"<style>(.*?)</style>", response.text, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert response.headers["content-security-policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert not re.search(r"<(script|img|link|iframe|object)|style=|\bon[a-z]+=|https?://|url\(|@import", response.text)


async def test_the_docs_hold_every_call(api: Api) -> None:
    page = (await api.nobody.get("/docs")).text
    document = got(await api.nobody.get("/openapi.json"), 200)
    ids = set(re.findall(r'id="([^"]+)"', page))
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert f"call-{operation['operationId']}" in ids, path
    assert set(re.findall(r'href="#([^"]+)"', page)) <= ids


async def test_docs_can_be_switched_off(tmp_path: Path) -> None:
    async with open_api(tmp_path, DOCS="off") as api:
        for path in ("/docs", "/openapi.json"):
            refused(await api.nobody.get(path), 404, "not_found")
