"""A vocabulary for calls over HTTP: who calls, and what he gets."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import httpx2

from sanctum_messaging.bootstrap.identity import development_issuer
from sanctum_messaging.bootstrap.service import open_service
from sanctum_messaging.config import load_config
from tests.contract_document import CONTRACT
from tests.unlimited import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from sanctum_messaging.adapters.jwt.development import DevelopmentIssuer
    from sanctum_messaging.bootstrap.service import Service

BASE_URL = "http://sanctum.test"
SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "cross-origin-resource-policy": "same-origin",
}
"""What every answer bears."""
Json = dict[str, Any]


class Caller:
    """One who calls with a token of his own; ``None`` has none."""

    def __init__(self, client: httpx2.AsyncClient, name: str | None, headers: dict[str, str]) -> None:
        self.name = name
        self._client = client
        self._headers = headers

    async def call(
        self,
        method: str,
        path: str,
        body: Json | bytes | None = None,
        *,
        headers: dict[str, str] | None = None,
    ) -> httpx2.Response:
        """Call; the path goes out as it is written, and a body of bytes too."""
        given = {**self._headers, **(headers or {})}
        if body is not None and "content-type" not in {name.lower() for name in given}:
            given["Content-Type"] = "application/json"
        if isinstance(body, dict):
            return await self._client.request(method, path, json=body, headers=given)
        return await self._client.request(method, path, content=body, headers=given)

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        """GET."""
        return await self.call("GET", path, headers=headers)

    async def post(self, path: str, body: Json | bytes, *, key: str | None = None) -> httpx2.Response:
        """POST, with an idempotency key if there is one."""
        return await self.call("POST", path, body, headers={"Idempotency-Key": key} if key else None)

    async def patch(self, path: str, body: Json | bytes, *, match: str | None = None) -> httpx2.Response:
        """PATCH, on the condition of an ETag if there is one."""
        return await self.call("PATCH", path, body, headers={"If-Match": match} if match else None)

    async def delete(self, path: str, *, match: str | None = None) -> httpx2.Response:
        """DELETE, on the condition of an ETag if there is one."""
        return await self.call("DELETE", path, headers={"If-Match": match} if match else None)

    async def create(self, *others: str | Json, **fields: object) -> str:
        """Create a group and return its id."""
        participants = [{"userId": each} if isinstance(each, str) else each for each in others]
        body = {"kind": "group", "participants": participants, **fields}
        return str(got(await self.post("/v1/conversations", body), 201)["conversation"]["id"])

    async def send(self, conversation_id: str, client_message_id: str = "c1", **fields: object) -> Json:
        """Send a message and return it."""
        body = {"conversationId": conversation_id, "clientMessageId": client_message_id, "body": "Hello", **fields}
        message: Json = got(await self.post("/v1/messages", body), 200, 201)["message"]
        return message


class Api:
    """The service, and those who call it."""

    def __init__(self, client: httpx2.AsyncClient, issuer: DevelopmentIssuer, service: Service) -> None:
        self.client = client
        self.issuer = issuer
        self.service = service
        self.nobody = Caller(client, None, {})

    def user(self, name: str, **claims: str) -> Caller:
        """Call as a user."""
        return Caller(self.client, name, {"Authorization": f"Bearer {self.issuer.issue(name, **claims)}"})  # type: ignore[arg-type]  # claims of the test's own

    def service_for(self, name: str | None = None) -> Caller:
        """Call as a service, for a user or for nobody."""
        token = self.issuer.issue("backend", scope="messaging:admin")
        act_as = {"Act-As": name} if name else {}
        return Caller(self.client, name, {"Authorization": f"Bearer {token}", **act_as})


@contextlib.asynccontextmanager
async def open_api(data_dir: Path, **environ: str) -> AsyncGenerator[Api]:
    """Run the service; ``environ`` configures it. Nobody is limited unless it says so."""
    config = load_config({"DATA_DIR": str(data_dir), **UNLIMITED, **environ}, dev=True)
    async with open_service(config) as service:
        transport = httpx2.ASGITransport(service.asgi, raise_app_exceptions=True)
        hooks = {"response": [keep_to_contract]}
        async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL, event_hooks=hooks) as client:
            yield Api(client, development_issuer(config), service)


async def keep_to_contract(response: httpx2.Response) -> None:
    """Hold an answer to the OpenAPI document: every test checks the contract, whatever else it is about."""
    await response.aread()
    CONTRACT.check(response)


def got(response: httpx2.Response, *statuses: int) -> Json:
    """Return the body of an answer that has one of these statuses."""
    assert response.status_code in statuses, (response.status_code, response.text)
    body: Json = response.json() if response.content else {}
    return body


def refused(response: httpx2.Response, status: int, code: str, *faults: str) -> Json:
    """Return the problem of a refusal; ``faults`` are written ``field code``."""
    assert response.headers["content-type"] == "application/problem+json"
    problem: Json = response.json()
    found = [f"{each['field']} {each['code']}" for each in problem.get("errors", [])]
    assert (response.status_code, problem["code"], found) == (status, code, list(faults)), response.text
    assert problem["status"] == status
    assert problem["requestId"] == response.headers["x-request-id"]
    return problem


def message(group: str, **fields: object) -> bytes:
    """Write the body of a send; a field that is ``...`` is left out."""
    body = {"conversationId": group, "clientMessageId": "c1", "body": "Hello", **fields}
    return json.dumps({name: value for name, value in body.items() if value is not ...}).encode()
