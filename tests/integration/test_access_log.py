"""What each request and each connection leaves in the log, and what must never get there."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.observability.escaping import MAX_VALUE_CHARACTERS
from tests.hub_client import until
from tests.integration.calling import Api, got, open_api, refused
from tests.log_lines import Lines

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import ASGIApp, Message

CANARY = "canary7f3a"


@pytest.fixture
def api(logged_api: Api) -> Api:
    return logged_api


class Socket:
    """A client's end of a socket that exists in memory only."""

    def __init__(self, app: ASGIApp, *subprotocols: str, **headers: str) -> None:
        self.sent: list[Message] = []
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._incoming.put_nowait({"type": "websocket.connect"})
        scope = {
            "type": "websocket",
            "path": "/v1/ws",
            "raw_path": b"/v1/ws",
            "query_string": CANARY.encode(),
            "scheme": "ws",
            "client": ("10.1.2.3", 5),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
            "subprotocols": list(subprotocols),
            "extensions": {"websocket.http.response": {}},
        }
        self.served = asyncio.ensure_future(app(scope, self._incoming.get, self._take))

    def push(self, op: str, **fields: object) -> None:
        self._incoming.put_nowait({"type": "websocket.receive", "text": json.dumps({"op": op, **fields})})

    def leave(self) -> None:
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1005})

    def got(self, op: str) -> int:
        frames = [json.loads(each["text"]) for each in self.sent if each["type"] == "websocket.send"]
        return sum(frame["op"] == op for frame in frames)

    async def _take(self, message: Message) -> None:
        self.sent.append(message)


async def test_a_request_leaves_one_line(api: Api, lines: Lines) -> None:
    ann = api.user("ann", device="phone", session="s-1")

    response = await ann.post(f"/v1/conversations?{CANARY}", {"kind": "group", "title": CANARY, "participants": []})

    (line,) = lines.of("request")
    assert line.pop("timestamp")
    assert line.pop("duration_ms") > 0
    assert line == {
        "event": "request",
        "level": "info",
        "request_id": response.headers["x-request-id"],
        "method": "POST",
        "route": "/v1/conversations",
        "status": response.status_code,
        "address": "127.0.0.1",
        "bytes": len(response.content),
        "tenant": "default",
        "user": "ann",
        "device": "phone",
        "session": "s-1",
    }


async def test_who_acts_for_somebody_is_named_too(api: Api, lines: Lines) -> None:
    got(await api.service_for("ann").get("/v1/unread"), 200)

    (line,) = lines.of("request")
    assert (line["user"], line["bearer"]) == ("ann", "backend")


async def test_nothing_that_a_client_wrote_is_in_it(api: Api, lines: Lines) -> None:
    ann = api.user("ann")
    group = await ann.create("bob", title=CANARY, metadata={CANARY: CANARY})
    await ann.send(group, f"id-{CANARY}", body=CANARY)
    await ann.get(f"/v1/conversations/{CANARY}/messages?limit={CANARY}", **{"If-None-Match": CANARY, CANARY: CANARY})
    await ann.get(f"/{CANARY}/%0d%0a{CANARY}?{CANARY}")
    await ann.call(CANARY.upper(), "/v1/conversations")
    await api.nobody.get("/v1/conversations", Authorization=f"Bearer {CANARY}")
    await ann.post(f"/v1/messages?{CANARY}", CANARY.encode())

    assert len(lines.of("request")) == 7
    assert CANARY not in lines.text.lower()
    assert [(line["method"], line["route"]) for line in lines.of("request")[2:5]] == [
        ("GET", "/v1/conversations/{conversationId}/messages"),
        ("GET", "other"),
        ("other", "other"),
    ]


async def test_s_d14_hostile_values_stay_within_their_line(api: Api, lines: Lines) -> None:
    hostile = ("a\r\nb", "\x1b[2J", "a\u2028b", "\u202etxt", '"}\n{"x":"', "z" * 10_000, "\ud83d")
    token = api.issuer.issue("ann").encode()
    for each in hostile:
        value = each.encode("utf-8", "surrogatepass")
        headers = [(b"authorization", b"Bearer " + token), (b"x-request-id", value), (b"user-agent", value)]
        await api.client.send(api.client.build_request("GET", "/v1/unread", headers=headers))

    assert len(lines.text.splitlines()) == len(hostile) == len(lines.of("request"))
    assert lines.text.replace("\n", "").isprintable()
    assert max(map(len, lines.text.splitlines())) < MAX_VALUE_CHARACTERS
    assert all(re.fullmatch(r"[\w-]{36}", line["request_id"]) for line in lines.of("request"))


async def test_s_d14_a_users_name_is_escaped(api: Api, lines: Lines) -> None:
    got(await api.user("an\u2028n\u202e").get("/v1/unread"), 200)

    assert lines.of("request")[0]["user"] == r"an\u2028n\u202e"


async def test_s_d17_a_fault_is_told_without_its_words(api: Api, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr("sanctum_messaging.adapters.sqlite.store.SQLiteStore.count_unread", fail)

    response = await api.user("ann").get("/v1/unread")

    refused(response, 500, "internal")
    assert CANARY not in lines.text + response.text
    (fault,) = lines.of("request_failed")
    assert fault["exception"]["type"] == "RuntimeError"
    assert lines.of("request")[0]["request_id"] == fault["request_id"] == response.headers["x-request-id"]


async def test_probes_leave_a_line_only_when_they_fail(api: Api, lines: Lines) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await api.nobody.get(path)).status_code == 200
    assert lines.text == ""

    api.service.gate.close()
    refused(await api.nobody.get("/readyz"), 503, "stopping")

    assert [(line["route"], line["status"]) for line in lines.of("request")] == [("/readyz", 503)]


async def test_a_connection_leaves_one_line_at_each_end(api: Api, lines: Lines) -> None:
    ann = api.user("ann")
    group = await ann.create("bob")
    lines.clear()
    socket = Socket(api.service.asgi, authorization=f"Bearer {api.issuer.issue('ann')}", host="sanctum.test")
    socket.push("hello", cursor="0-00000000", client={"name": CANARY, "version": "1"})
    socket.push("send", id="1", conversationId=group, clientMessageId="c1", body=CANARY)
    await until(lambda: socket.got("event") == 2)
    socket.push("bye", id="2")
    await socket.served

    (opened,), (closed,) = lines.of("connection_opened"), lines.of("connection_closed")
    assert opened["session_id"] == closed["session_id"]
    assert (opened["user"], opened["address"]) == (closed["user"], closed["address"]) == ("ann", "10.1.2.3")
    assert (closed["code"], closed["events"], closed["frames"], closed["resumed"]) == (1000, 2, 3, False)
    assert closed["duration_s"] >= 0
    assert lines.of("request") == []
    assert CANARY not in lines.text


async def test_a_client_who_goes_away_is_told_of_with_1006(api: Api, lines: Lines) -> None:
    socket = Socket(api.service.asgi, host="sanctum.test")
    socket.leave()
    await socket.served

    (closed,) = lines.of("connection_closed")
    assert closed["code"] == 1006
    assert "user" not in closed


async def test_a_refused_handshake_counts_as_a_request(api: Api, lines: Lines) -> None:
    await Socket(api.service.asgi, host="sanctum.test", authorization="Bearer x").served
    await Socket(api.service.asgi, "sanctum.v1", "bearer.x", host="sanctum.test").served

    refusals = [(line["method"], line["route"], line["status"], line["address"]) for line in lines.of("request")]
    assert refusals == [("GET", "/v1/ws", 401, "10.1.2.3"), ("GET", "/v1/ws", 4501, "10.1.2.3")]


async def test_a_socket_closed_right_after_its_handshake_is_counted_where_the_metrics_say(api: Api) -> None:
    await Socket(api.service.asgi, "sanctum.v1", "bearer.x", host="sanctum.test").served

    shown = (await api.nobody.get("/metrics")).text
    assert 'sanctum_requests_total{method="GET",route="/v1/ws",status="4501"} 1.0' in shown
    assert "sanctum_closes_total{" not in shown
    abouts = [line for line in shown.splitlines() if line.startswith("# HELP") and "4501, 4503, 4506" in line]
    assert [line.split()[2] for line in abouts] == ["sanctum_requests_total", "sanctum_closes_total"]
    assert "sanctum_requests_total" in abouts[1]


async def test_it_can_be_switched_off_and_counts_all_the_same(tmp_path: Path, lines: Lines) -> None:
    async with open_api(tmp_path, ACCESS_LOG="off") as api:
        lines.clear()
        socket = Socket(api.service.asgi, host="sanctum.test")
        socket.leave()
        await socket.served
        got(await api.user("ann").get("/v1/unread"), 200)
        refused(await api.user("ann").get("/v1/conversations/none"), 404, "not_found")
        shown = (await api.nobody.get("/metrics")).text

    assert lines.of("request") == lines.of("connection_opened") == lines.of("connection_closed") == []
    assert 'sanctum_requests_total{method="GET",route="/v1/unread",status="200"} 1.0' in shown
    assert 'sanctum_requests_total{method="GET",route="/v1/conversations/{conversationId}",status="404"} 1.0' in shown
    assert 'sanctum_request_duration_seconds_count{kind="read"} 2.0' in shown
