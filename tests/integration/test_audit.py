"""Every use of a service token is on record before it happens, and what can't be recorded does not happen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import apsw
import pytest

from sanctum_messaging.adapters.sqlite.audit import SQLiteAudit
from sanctum_messaging.domain.errors import UnavailableError
from tests.integration.asgi_socket import open_socket
from tests.integration.calling import Api, got, open_api, refused

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from sanctum_messaging.ports.audit import AuditEntry

Row = tuple[Any, ...]


class Watched:
    """What happens to entries: they are appended, and then what a test wants."""

    def __init__(self) -> None:
        self.recorded = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.is_down = False

    async def append(self, log: SQLiteAudit, entries: Sequence[AuditEntry]) -> Sequence[None]:
        if self.is_down:
            raise UnavailableError("The disk is full.")
        appended = await _append(log, entries)
        self.recorded.set()
        await self.go_on.wait()
        return appended


_append = SQLiteAudit.append


@pytest.fixture
async def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched = Watched()

    async def append(log: SQLiteAudit, entries: Sequence[AuditEntry]) -> Sequence[None]:
        return await watched.append(log, entries)

    monkeypatch.setattr(SQLiteAudit, "append", append)
    return watched


@pytest.fixture
async def api(tmp_path: Path, watched: Watched) -> AsyncGenerator[Api]:
    async with open_api(tmp_path) as api:
        yield api


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "messaging.db"


def audited(database: Path, columns: str = "bearer, act_as, action") -> list[Row]:
    """Read what is on record, beside the service."""
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        return list(connection.execute(f"SELECT {columns} FROM audit ORDER BY at, id"))  # noqa: S608 - a test's own
    finally:
        connection.close()


def count_messages(database: Path) -> int:
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        return int(connection.execute("SELECT count(*) FROM message").get)
    finally:
        connection.close()


def service_headers(api: Api, act_as: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {api.issuer.issue('backend', scope='messaging:admin')}", "Act-As": act_as}


async def test_each_request_of_a_service_is_on_record(api: Api, database: Path) -> None:
    group = await api.user("ann").create("bob")
    await api.service_for("ann").send(group)
    got(await api.service_for().get("/v1/sync"), 200)
    refused(await api.service_for("eve").get(f"/v1/conversations/{group}"), 404, "not_found")

    assert set(audited(database)) == {
        ("backend", "ann", "POST /v1/messages"),
        ("backend", "eve", "GET /v1/conversations/{conversationId}"),
        ("backend", None, "GET /v1/sync"),
    }
    assert len(audited(database)) == 3


async def test_a_record_says_from_where_and_with_which_token_and_holds_no_text(api: Api, database: Path) -> None:
    group = await api.user("ann").create("bob")
    sender = api.service_for("ann")
    body = {"conversationId": group, "clientMessageId": "canary-id", "body": "canary"}
    response = await sender.call("POST", "/v1/messages", body, headers={"X-Request-Id": "request-1"})
    got(response, 201)

    ((tenant, token_id, session, address, request_id, everything),) = audited(
        database,
        "tenant, token_id, session, address, request_id,"
        " bearer || act_as || action || token_id || session || address || request_id",
    )
    assert (tenant, session, request_id) == ("default", token_id, "request-1")
    assert address == "127.0.0.1"
    assert "canary" not in everything
    assert group not in everything


async def test_ordinary_tokens_are_not_on_record(api: Api, database: Path) -> None:
    ann = api.user("ann")
    await ann.send(await ann.create("bob"))
    refused(await ann.get("/v1/unread", **{"Act-As": "bob"}), 403, "act_as_not_allowed")
    refused(await api.nobody.get("/v1/unread"), 401, "unauthenticated")

    assert audited(database) == []


async def test_sockets_and_their_frames_are_on_record(api: Api, database: Path) -> None:
    group = await api.user("ann").create("bob")
    async with open_socket(api.service.asgi, service_headers(api, "ann")) as socket:
        await socket.hello()
        pushed = []
        for number in range(5):
            fields = {"conversationId": group, "clientMessageId": f"c-{number}", "body": str(number)}
            pushed.append(await socket.push("send", **fields))
        pushed.append(await socket.push("typing", conversationId=group, on=True))
        pushed.append(await socket.push("read", conversationId=group, seq=1))
        for frame_id in pushed:
            await socket.assert_replied(frame_id)

    actions = [action for (action,) in audited(database, "action")]
    assert actions[0] == "connect"
    assert sorted(actions[1:]) == ["read", *["send"] * 5, "typing"]
    messages = got(await api.user("ann").get(f"/v1/conversations/{group}/messages"), 200)["messages"]
    assert [message["body"] for message in messages] == list("01234"), "they keep their order"


async def test_it_is_on_record_before_it_happens(api: Api, database: Path, watched: Watched) -> None:
    group = await api.user("ann").create("bob")
    watched.go_on.clear()
    sending = asyncio.create_task(api.service_for("ann").send(group))
    await watched.recorded.wait()

    assert (len(audited(database)), count_messages(database)) == (1, 0)

    watched.go_on.set()
    await sending
    assert count_messages(database) == 1


async def test_what_cannot_be_recorded_does_not_happen(api: Api, database: Path, watched: Watched) -> None:
    group = await api.user("ann").create("bob")
    message = {"conversationId": group, "clientMessageId": "c1", "body": "Hello"}
    async with open_socket(api.service.asgi, service_headers(api, "ann")) as socket:
        await socket.hello()
        watched.is_down = True

        refused(await api.service_for("ann").post("/v1/messages", message), 503, "unavailable")
        await socket.assert_replied(await socket.push("send", **message), code="unavailable")

        assert (audited(database, "action"), count_messages(database)) == ([("connect",)], 0)
        await api.user("ann").send(group, "c2")
