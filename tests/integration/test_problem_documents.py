"""What is refused, and what fails, is answered by a problem of the documented form, and by no word of a fault's own.

Every answer in these tests is held to the OpenAPI document by the client (``calling.keep_to_contract``), and every
frame to the AsyncAPI document (``hub_client.Client``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import httpx2
import msgspec
import pytest

from sanctum_messaging.adapters.jwt.verifier import JWTVerifier
from sanctum_messaging.api import application, socket_frames
from sanctum_messaging.api.openapi.scenes import SCENES
from sanctum_messaging.api.openapi.schemas import operation_id
from sanctum_messaging.api.routes import ROUTES
from sanctum_messaging.bootstrap.gate import Gate
from sanctum_messaging.hub.hub import WebSocketHub
from sanctum_messaging.protocol.codes import CLOSE_REASONS, CloseCode
from sanctum_messaging.protocol.resources import Problem
from tests.contract_document import CONTRACT, SOCKET
from tests.integration.asgi_socket import open_socket
from tests.integration.calling import Api, got, open_api, refused

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from sanctum_messaging.api.routing import AnyRoute

CANARY = "canary-9e31 /var/lib/secret SELECT"


async def fail(*_: object, **__: object) -> Any:  # noqa: ANN401 - it takes the place of anything
    """Fail as nobody foresaw, with a message that must stay inside."""
    fail_now()


def fail_now(*_: object, **__: object) -> NoReturn:
    """Fail so, without being awaited."""
    raise RuntimeError(CANARY)


def failing(route: AnyRoute) -> AnyRoute:
    """Let a route fail once it is called."""

    async def handler(*_: object) -> Any:  # noqa: ANN401 - as above
        raise RuntimeError(CANARY)

    handler.__name__ = route.handler.__name__
    return replace(route, handler=handler)


def tells_nothing(*texts: str) -> None:
    for word in CANARY.split():
        assert not [text for text in texts if word in text]


async def test_s_d17_no_call_tells_of_the_fault_that_it_failed_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "ROUTES", tuple(failing(route) for route in ROUTES))
    async with open_api(tmp_path) as api:
        for route in ROUTES:
            scene = next(each for each in SCENES if each.operation == operation_id(route))
            path = route.path.format(**scene.params)
            response = await api.user("ann").call(route.method, path, scene.body, headers=scene.headers)
            assert not refused(response, 500, "internal")["retryable"]
            tells_nothing(response.text, str(response.headers))


async def test_s_d17_no_proof_of_a_caller_tells_of_the_fault_that_it_failed_by(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = api.user("ann")
    monkeypatch.setattr(JWTVerifier, "verify", fail)
    response = await ann.get("/v1/unread")
    refused(response, 500, "internal")
    tells_nothing(response.text, str(response.headers))


async def test_s_d17_readiness_tells_nothing_of_the_fault_that_it_failed_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Gate, "ready", fail)
    async with open_api(tmp_path) as api:
        response = await api.nobody.get("/readyz")
        refused(response, 500, "internal")
        tells_nothing(response.text, str(response.headers))


class Recorded:
    """An application, and all that it says."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.said: list[Message] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watch(message: Message) -> None:
            self.said.append(message)
            await send(message)

        await self._app(scope, receive, watch)

    def problem(self) -> Problem:
        """Return the problem that a handshake was refused with."""
        start, body = self.said
        assert start["type"] == "websocket.http.response.start"
        headers = dict(start["headers"])
        assert headers[b"content-type"] == b"application/problem+json"
        assert headers[b"x-content-type-options"] == b"nosniff"
        problem = msgspec.json.decode(body["body"], type=Problem)
        assert problem.status == start["status"]
        assert problem.request_id.encode() == headers[b"x-request-id"]
        assert problem.code in SOCKET.handshake_codes
        return problem


def bearer(api: Api, name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {api.issuer.issue(name)}"}


async def test_s_d17_a_socket_is_closed_without_a_word_of_the_fault(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Recorded(api.service.asgi)
    monkeypatch.setattr(socket_frames, "send_message", fail_now)
    async with open_socket(recorded, bearer(api, "ann")) as client:
        await client.hello()
        await client.push("send", conversationId="x", clientMessageId="c", body="Hello")
        await client.assert_closed(CloseCode.INTERNAL)
    closing = recorded.said[-1]
    assert (closing["code"], closing["reason"]) == (CloseCode.INTERNAL, CLOSE_REASONS[CloseCode.INTERNAL])
    tells_nothing(*(str(message) for message in recorded.said))


async def test_s_d17_a_refused_handshake_is_a_problem_without_a_word_of_the_fault(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = bearer(api, "ann")
    monkeypatch.setattr(JWTVerifier, "verify", fail)
    recorded = Recorded(api.service.asgi)
    async with open_socket(recorded, headers):
        pass
    assert recorded.problem().code == "internal"
    tells_nothing(*(str(message) for message in recorded.said))


async def test_s_d17_an_open_socket_is_refused_no_more(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an answer can't be taken back: it is the server that ends the connection."""

    def fail_at_once(*_: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(WebSocketHub, "open", fail_at_once)
    recorded = Recorded(api.service.asgi)
    with pytest.raises(RuntimeError, match="canary"):
        async with open_socket(recorded, bearer(api, "ann")):
            pass
    assert [message["type"] for message in recorded.said] == ["websocket.accept"]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Authorization": "Bearer x"}, "unauthenticated"),
        ({"Authorization": "Basic eA=="}, "unauthenticated"),
        ({"Origin": "https://evil.example"}, "origin_not_allowed"),
    ],
)
async def test_s_d17_a_refused_handshake_is_a_problem(tmp_path: Path, headers: dict[str, str], code: str) -> None:
    async with open_api(tmp_path, CORS_ALLOWED_ORIGINS="https://ours.example") as api:
        recorded = Recorded(api.service.asgi)
        async with open_socket(recorded, headers):
            pass
        assert recorded.problem().code == code


async def test_s_d15_the_switch_hides_the_page_and_both_documents(tmp_path: Path) -> None:
    async with open_api(tmp_path, DOCS="off") as api:
        for path in ("/docs", "/openapi.json", "/asyncapi.json"):
            refused(await api.nobody.get(path), 404, "not_found")


async def test_s_d15_the_page_and_both_documents_are_taken_for_nothing_else(api: Api) -> None:
    for path in ("/docs", "/openapi.json", "/asyncapi.json"):
        response = await api.nobody.get(path)
        assert response.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in (await api.nobody.get("/docs")).headers["content-security-policy"]


async def test_the_documents_are_those_in_the_files(api: Api) -> None:
    from docs.generate import DOCUMENTS  # noqa: PLC0415 - what writes the files needs the routes, not the service

    for name, write in DOCUMENTS.items():
        assert got(await api.nobody.get(f"/{name}"), 200) == msgspec.json.decode(write())


def doctored(response: httpx2.Response, status: int | None = None, **changed: object) -> httpx2.Response:
    """Return an answer as it would be if it said something else."""
    body = {**response.json(), **changed}
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    return httpx2.Response(status or response.status_code, headers=headers, json=body, request=response.request)


async def test_the_contract_is_broken_by_what_the_document_does_not_say(api: Api) -> None:
    """A check that nothing can fail proves nothing."""
    good = await api.user("ann").get("/v1/unread")
    refusal = await api.nobody.get("/v1/unread")
    lacking = httpx2.Response(200, headers={"content-type": "application/json"}, json=good.json(), request=good.request)
    for broken, said in (
        (doctored(good, status=418), "is not in the document"),
        (doctored(good, total="3"), "is not of type"),
        (doctored(good, more=1), "Additional properties"),
        (doctored(refusal, code="last_owner"), "last_owner"),
        (doctored(refusal, code="no_such_code"), "no_such_code"),
        (lacking, "lacks"),
    ):
        with pytest.raises(AssertionError, match=said):
            CONTRACT.check(broken)
