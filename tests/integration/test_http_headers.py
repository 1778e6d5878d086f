"""The headers that every answer bears, and what pages of other origins may do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.integration.calling import SECURITY, Api, Caller, got, open_api, refused

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    import httpx2

PREFLIGHT = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization,if-match"}


@pytest.fixture
async def listed(tmp_path: Path) -> AsyncGenerator[Api]:
    """Run a service that lists the origins of its pages."""
    origins = "https://app.example.com,http://localhost:3000"
    async with open_api(tmp_path, CORS_ALLOWED_ORIGINS=origins, CORS_ALLOW_CREDENTIALS="true") as api:
        yield api


async def everything(api: Api, **headers: str) -> dict[str, httpx2.Response]:
    """One answer of each kind."""
    ann = api.user("ann")
    auth = {**ann._headers, **headers}
    big = b'"' + b"x" * 70_000
    json_type = {"Content-Type": "application/json"}

    async def call(method: str, path: str, body: bytes | None = None, **more: str) -> httpx2.Response:
        return await ann._client.request(method, path, content=body, headers={**auth, **more})

    return {
        "ok": await call("GET", "/v1/unread"),
        "health": await call("GET", "/healthz"),
        "docs": await call("GET", "/docs"),
        "page": await call("GET", "/"),
        "bad request": await call("POST", "/v1/messages", b"{", **json_type),
        "unauthenticated": await ann._client.get("/v1/unread", headers=headers),
        "not found": await call("GET", "/nowhere"),
        "wrong method": await call("PUT", "/v1/messages"),
        "too large": await call("POST", "/v1/messages", big, **json_type),
        "unprocessable": await call("GET", "/v1/unread?x=1"),
        "preflight": await ann._client.options("/v1/messages/x", headers={**headers, **PREFLIGHT}),
    }


class TestSecurityHeaders:
    async def test_are_on_every_answer(self, api: Api) -> None:
        for kind, response in (await everything(api, Origin="https://app.example.com")).items():
            for name, value in SECURITY.items():
                assert response.headers.get_list(name) == [value], kind
            assert len(response.headers.get_list("x-request-id")) == 1, kind

    async def test_answers_are_not_stored(self, api: Api) -> None:
        answers = await everything(api)
        for kind in answers.keys() - {"page"}:
            assert answers[kind].headers["cache-control"] == "no-store", kind


class TestRequestIds:
    async def test_are_new_or_the_clients_own(self, api: Api) -> None:
        drawn = {(await api.nobody.get("/healthz")).headers["x-request-id"] for _ in range(2)}
        assert len(drawn) == 2
        mine = "9f1c/Ab-_.~:+=@"
        assert (await api.nobody.get("/healthz", **{"X-Request-Id": mine})).headers["x-request-id"] == mine
        response = await api.nobody.get("/v1/unread", **{"X-Request-Id": mine})
        assert refused(response, 401, "unauthenticated")["requestId"] == mine

    @pytest.mark.parametrize("bad", ["", "a b", "x" * 129, "a\tb", 'a"b', "é"])
    async def test_that_are_malformed_are_replaced(self, api: Api, bad: str) -> None:
        response = await api.client.get("/healthz", headers={b"X-Request-Id": bad.encode()})
        assert response.headers["x-request-id"] != bad
        assert re.fullmatch(r"[0-9a-f-]{36}", response.headers["x-request-id"])


class TestAnyOrigin:
    async def test_may_see_every_answer_without_credentials(self, api: Api) -> None:
        for kind, response in (await everything(api, Origin="https://anywhere.example")).items():
            assert response.headers["access-control-allow-origin"] == "*", kind
            assert "access-control-allow-credentials" not in response.headers, kind

    async def test_without_an_origin_nothing_is_said(self, api: Api) -> None:
        response = await api.nobody.get("/healthz")
        assert not [name for name in response.headers if name.startswith("access-control")]


class TestListedOrigins:
    @pytest.mark.parametrize(
        "origin", ["https://app.example.com", "https://APP.example.com:443", "http://localhost:3000"]
    )
    async def test_may_see_every_answer(self, listed: Api, origin: str) -> None:
        for kind, response in (await everything(listed, Origin=origin)).items():
            assert response.headers["access-control-allow-origin"] == origin, kind
            assert response.headers["access-control-allow-credentials"] == "true", kind
            assert response.headers["vary"] == "Origin", kind
        assert "ETag" in response.headers["access-control-expose-headers"]

    async def test_the_services_own_is_always_allowed(self, listed: Api) -> None:
        got(await listed.user("ann").get("/v1/unread", Origin="http://sanctum.test"), 200)

    @pytest.mark.parametrize(
        "origin",
        [
            "https://evil.example",
            "https://app.example.com.evil.example",
            "https://evilapp.example.com",
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://sanctum.test",
            "null",
            "",
        ],
    )
    async def test_others_are_refused_and_see_nothing(self, listed: Api, origin: str) -> None:
        for kind, response in (await everything(listed, Origin=origin)).items():
            refused(response, 403, "origin_not_allowed")
            assert not [name for name in response.headers if name.startswith("access-control")], kind
            assert response.headers["vary"] == "Origin", kind

    async def test_who_sends_none_is_served(self, listed: Api) -> None:
        response = await listed.user("ann").get("/v1/unread")
        assert got(response, 200)
        assert response.headers["vary"] == "Origin"


class TestPreflights:
    async def test_say_what_may_be_sent(self, listed: Api) -> None:
        response = await listed.client.options(
            "/v1/messages/x", headers={"Origin": "https://app.example.com", **PREFLIGHT}
        )
        assert (response.status_code, response.content) == (204, b"")
        assert "PATCH" in response.headers["access-control-allow-methods"].split(", ")
        allowed = response.headers["access-control-allow-headers"].lower().split(", ")
        assert {"authorization", "content-type", "if-match", "idempotency-key", "act-as", "traceparent"} <= set(allowed)
        assert int(response.headers["access-control-max-age"]) > 0

    async def test_other_options_calls_are_none(self, api: Api) -> None:
        response = await api.client.options("/v1/messages", headers={"Origin": "https://app.example.com"})
        refused(response, 405, "method_not_allowed")


async def test_head_answers_as_get_does_without_a_body(api: Api) -> None:
    ann: Caller = api.user("ann")
    group = await ann.create()
    for path in ("/healthz", "/openapi.json", "/docs", "/metrics", f"/v1/conversations/{group}", "/v1/unread", "/v1/x"):
        get = await ann.get(path)
        head = await ann.call("HEAD", path)
        assert head.content == b""
        same = {"content-length", "content-type", "etag"}
        if path == "/metrics":  # The numbers change from call to call.
            same.remove("content-length")
        assert [head.headers.get(name) for name in same] == [get.headers.get(name) for name in same], path
        assert head.status_code == get.status_code
