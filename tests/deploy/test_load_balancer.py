"""The load balancer of the Compose file, running: what it hands on, what it never repeats, and what it keeps quiet."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import uuid
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import connect

from sanctum_messaging.api.services import ApiSettings
from sanctum_messaging.hub.settings import HubSettings
from sanctum_messaging.protocol.client_session import ClientSession
from sanctum_messaging.protocol.frames import SUBPROTOCOL
from sanctum_messaging.protocol.requests import MAX_WAIT_MS
from sanctum_messaging.server.limits import IDLE_SECONDS
from tests.deploy.dockerfile import read_stages
from tests.deploy.nginx import CONFIGURATION, open_nginx
from tests.deploy.stand_in import stand_in
from tests.deploy.test_compose import INSTANCES
from tests.e2e.client import Client
from tests.e2e.server import Service
from tests.hub_client import until
from tests.servers.fixtures import leave_out
from tests.servers.server import NoServerError, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.deploy.nginx import NginxServer
    from tests.deploy.stand_in import StandIn

ANSWER_SECONDS = 30
PASSED_OVER = 20
"""Requests that would have met the instance that is missing, had they been spread blindly."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("data")) as service:
        yield service


@pytest.fixture(scope="module")
def nginx(service: Service) -> Iterator[NginxServer]:
    with behind_nginx(service.port) as server:
        yield server


@pytest.fixture
def passing() -> Iterator[StandIn]:
    with stand_in(204) as upstream:
        yield upstream


@contextmanager
def behind_nginx(*ports: int) -> Iterator[NginxServer]:
    """Put nginx in front of these; leave the test out where there is none."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(open_nginx(*ports))
        except NoServerError as missing:
            leave_out(str(missing))
        yield server


def ask(nginx: NginxServer, method: str, path: str, **headers: str) -> int:
    """Make one request over a connection of its own and return the status."""
    connection = http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=ANSWER_SECONDS)
    with closing(connection):
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        return connection.getresponse().status


def seconds_of(directive: str) -> list[int]:
    """Read every value of a directive of time."""
    found = re.findall(rf"^\s*{directive} (\d+)s;", CONFIGURATION.read_text("utf-8"), flags=re.MULTILINE)
    assert found, directive
    return [int(each) for each in found]


def test_nginx_takes_the_configuration_without_a_warning(nginx: NginxServer) -> None:
    said = nginx.check()

    assert "test is successful" in said
    assert "[warn]" not in said


async def test_a_message_goes_through_and_comes_out_of_the_socket(nginx: NginxServer, service: Service) -> None:
    async with Client(nginx.url, service.token("ann")) as ann:
        conversation = await ann.create()
        async with ann.connect(cursor="0-00000000") as socket:
            await socket.find_live()
            sent = await ann.send(conversation, "Hello")
            reply = await socket.send(conversation, "Hello again", client_message_id=uuid.uuid4().hex)
            await socket.find_events(3)

    assert reply.op == "ok"
    assert sent["id"].encode() in b"".join(socket.messages)


async def test_a_browser_brings_its_token_as_a_subprotocol(nginx: NginxServer, service: Service) -> None:
    offered: Any = [SUBPROTOCOL, f"bearer.{service.token('ann')}"]
    address = nginx.url.replace("http", "ws") + "/v1/ws"
    async with connect(address, subprotocols=offered, proxy=None) as socket:
        await socket.send(ClientSession().hello(), text=True)

        assert json.loads(await socket.recv())["op"] == "welcome"
        assert socket.subprotocol == SUBPROTOCOL


async def test_a_poll_waits_behind_it_too(nginx: NginxServer, service: Service) -> None:
    async with Client(nginx.url, service.token("ann")) as ann, asyncio.TaskGroup() as tasks:
        conversation = await ann.create()
        end = await ann.read_end()
        poll = tasks.create_task(ann.get("/v1/sync", cursor=end, waitMs=MAX_WAIT_MS))
        await ann.send(conversation, "Wake up")

    assert [event["type"] for event in poll.result().json()["events"]] == ["message.created"]


async def test_the_service_itself_says_that_a_body_is_too_large(nginx: NginxServer, service: Service) -> None:
    async with Client(nginx.url, service.token("ann")) as ann:
        answer = await ann.post("/v1/messages", {"body": "x" * ApiSettings().max_body_bytes})

    assert answer.status_code == http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert answer.json()["code"] == "body_too_large"


async def test_a_request_keeps_its_id(nginx: NginxServer, service: Service) -> None:
    async with Client(nginx.url, service.token("ann")) as ann:
        answer = await ann.request("GET", "/v1/unread", headers={"X-Request-Id": "from-the-client"})

    assert answer.headers["X-Request-Id"] == "from-the-client"
    # It is written once the answer is out.
    await until(lambda: '"requestId":"from-the-client"' in nginx.log())


async def test_neither_token_nor_query_gets_into_the_log(nginx: NginxServer, service: Service) -> None:
    token = service.token("ann")
    async with Client(nginx.url, token) as ann:
        await ann.get("/v1/sync", cursor="0-00000000", limit=7)

    await until(lambda: '"path":"/v1/sync"' in nginx.log())
    assert token not in nginx.log()
    assert "bearer." not in nginx.log()
    assert "limit=7" not in nginx.log()


def test_numbers_of_one_instance_are_not_shown(nginx: NginxServer) -> None:
    assert ask(nginx, "GET", "/metrics") == http.HTTPStatus.NOT_FOUND


def test_what_a_client_claims_about_himself_is_not_handed_on(passing: StandIn) -> None:
    forged = {"X_Forwarded_For": "192.0.2.1", "X_Real_IP": "192.0.2.1", "Forwarded": "for=192.0.2.1"}
    with behind_nginx(passing.port) as nginx:
        assert ask(nginx, "GET", "/v1/unread", Authorization="Bearer x", **forged) == http.HTTPStatus.NO_CONTENT
        [(_, headers)] = passing.requests

        assert headers.get_all("X-Forwarded-For") == ["127.0.0.1"]
        assert "192.0.2.1" not in str(headers)
        assert headers["Host"] == f"127.0.0.1:{nginx.port}"
        assert headers["Authorization"] == "Bearer x"


def test_an_instance_that_was_killed_is_passed_over(tmp_path: Path, service: Service) -> None:
    with Service(tmp_path) as other, behind_nginx(service.port, other.port) as nginx:
        assert {ask(nginx, "GET", "/readyz") for _ in range(2)} == {http.HTTPStatus.OK}
        other.kill()

        assert {ask(nginx, "GET", "/readyz") for _ in range(PASSED_OVER)} == {http.HTTPStatus.OK}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_anything_may_go_elsewhere_while_nobody_has_it(passing: StandIn, method: str) -> None:
    with behind_nginx(free_port(), passing.port) as nginx:
        assert ask(nginx, method, "/v1/messages") == http.HTTPStatus.NO_CONTENT


def test_a_post_that_an_instance_may_have_taken_is_not_sent_again(passing: StandIn) -> None:
    with stand_in(None) as dying, behind_nginx(dying.port, passing.port) as nginx:
        answers = {ask(nginx, "POST", "/v1/messages") for _ in range(2)}

        assert answers == {http.HTTPStatus.BAD_GATEWAY, http.HTTPStatus.NO_CONTENT}
        assert len(dying.requests) == len(passing.requests) == 1


def test_a_get_that_an_instance_died_of_goes_elsewhere(passing: StandIn) -> None:
    with stand_in(None) as dying, behind_nginx(dying.port, passing.port) as nginx:
        assert {ask(nginx, "GET", "/v1/unread") for _ in range(2)} == {http.HTTPStatus.NO_CONTENT}
        assert len(dying.requests) == 1


def test_a_socket_that_an_instance_does_not_want_goes_elsewhere(passing: StandIn) -> None:
    with stand_in(503) as stopping, behind_nginx(stopping.port, passing.port) as nginx:
        assert {ask(nginx, "GET", "/v1/ws") for _ in range(2)} == {http.HTTPStatus.NO_CONTENT}
        # An honest 503 of a request is the client's to read.
        assert http.HTTPStatus.SERVICE_UNAVAILABLE in {ask(nginx, "GET", "/v1/unread") for _ in range(2)}


def test_an_instance_that_is_back_is_given_sockets_at_once() -> None:
    port = free_port()
    with behind_nginx(port, free_port()) as nginx:
        assert ask(nginx, "GET", "/v1/ws") == http.HTTPStatus.BAD_GATEWAY
        with stand_in(204, port):
            assert {ask(nginx, "GET", "/v1/ws") for _ in range(PASSED_OVER)} == {http.HTTPStatus.NO_CONTENT}


def test_it_waits_longer_than_the_service_is_silent() -> None:
    silences = (HubSettings().heartbeat_ms / 1000, MAX_WAIT_MS / 1000)
    for directive in ("proxy_read_timeout", "proxy_send_timeout"):
        assert min(seconds_of(directive)) >= 75 > 2 * max(silences)
    # A poll may begin again elsewhere, but nothing is asked twice after it was waited for in vain.
    assert MAX_WAIT_MS / 1000 < min(seconds_of("proxy_next_upstream_timeout")) < min(seconds_of("proxy_read_timeout"))


def test_idle_connections_to_an_instance_are_closed_by_nginx_first() -> None:
    upstream, _ = re.findall(r"keepalive_timeout (\d+)s;", CONFIGURATION.read_text("utf-8"))

    assert int(upstream) < IDLE_SECONDS


def test_it_knows_the_instances_of_the_compose_file() -> None:
    port = read_stages()[-1].last("EXPOSE").text
    for upstream in re.findall(r"upstream \w+ \{(.*?)\}", CONFIGURATION.read_text("utf-8"), flags=re.DOTALL):
        assert re.findall(r"server ([\w-]+):(\d+)", upstream) == [(name, port) for name in INSTANCES]
