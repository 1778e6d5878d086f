"""The routes of the chat page inside the API: who gets a token, and what a browser is told about the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.demo.routes import CONTENT_SECURITY_POLICY
from tests.integration.calling import got, refused

if TYPE_CHECKING:
    import httpx2

    from tests.integration.calling import Api

LOCAL = {"Host": "localhost:8080", "Content-Type": "application/json"}


async def ask(api: Api, body: bytes = b'{"userId": "ann"}', **headers: str) -> httpx2.Response:
    given = {**LOCAL, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await api.client.post("/dev/token", content=body, headers=given)


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:65535", "LOCALHOST:80"])
async def test_a_token_is_given_out_on_this_machine(api: Api, host: str) -> None:
    body = got(await ask(api, b'{"userId": "ann", "deviceId": "tab"}', Host=host, Origin=f"http://{host.lower()}"), 200)
    listed = await api.client.get("/v1/conversations", headers={"Authorization": f"Bearer {body['token']}"})
    assert listed.status_code == 200
    assert set(body) == {"token", "expiresAt"}
    assert body["expiresAt"].endswith("Z")


@pytest.mark.parametrize(
    "host",
    ["sanctum.test", "localhost.evil.test", "evil.test:8080", "127.0.0.1.evil.test", "localhost:8080@evil", "[::1", ""],
)
async def test_a_foreign_name_for_this_machine_gets_none(api: Api, host: str) -> None:
    refused(await ask(api, Host=host), 403, "forbidden")


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.test",
        "null",
        "http://localhost",
        "http://localhost:3000",
        "localhost:8080",
        "ftp://localhost:8080",
    ],
)
async def test_a_page_from_elsewhere_gets_none(api: Api, origin: str) -> None:
    refused(await ask(api, Origin=origin), 403, "origin_not_allowed")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_what_a_page_can_send_unasked_is_refused(api: Api, media_type: str) -> None:
    refused(await ask(api, Content_Type=media_type), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("body", "status", "code", "faults"),
    [
        (b"{", 400, "malformed_json", []),
        (b"{}", 422, "invalid", ["userId missing"]),
        (b'{"userId": 7}', 422, "invalid", ["userId type"]),
        (b'{"userId": ""}', 422, "invalid", ["userId too_short"]),
        (b'{"userId": "a\\u0000"}', 422, "invalid", ["userId nul"]),
        (b'{"userId": "ann", "scope": "messaging:admin"}', 422, "invalid", ["scope unknown"]),
        (b'{"userId": "ann", "deviceId": "a\\nb"}', 422, "invalid", ["deviceId pattern"]),
        (b'"' + b"x" * 70_000 + b'"', 413, "body_too_large", []),
    ],
)
async def test_a_bad_request_names_its_fault(api: Api, body: bytes, status: int, code: str, faults: list[str]) -> None:
    refused(await ask(api, body), status, code, *faults)


async def test_the_key_of_the_tokens_is_public_and_nothing_else_is(api: Api) -> None:
    (key,) = got(await api.client.get("/.well-known/jwks.json"), 200)["keys"]
    assert key["use"] == "sig"
    assert "d" not in key


async def test_the_page_may_run_its_own_scripts_only(api: Api) -> None:
    page = await api.client.get("/?user=ann")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "://" not in page.text
    script = await api.client.get("/demo/page.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize(
    "path", ["/demo/routes.py", "/demo/", "/demo/../routes.py", "/demo/%2e%2e/cli.py", "/index.html"]
)
async def test_nothing_but_the_page_is_served(api: Api, path: str) -> None:
    refused(await api.client.get(path), 404, "not_found")


async def test_other_methods_are_refused(api: Api) -> None:
    answer = await api.client.get("/dev/token", headers=LOCAL)
    refused(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"
