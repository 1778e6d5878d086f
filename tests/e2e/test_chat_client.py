"""The page's client for itself, on a socket and a clock that the test moves: its duties towards the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sanctum_messaging.protocol.codes import CloseCode, client_reconnects
from tests.e2e.browser import Tabs, open_browser
from tests.e2e.scripted_device import BEGIN, HEARTBEAT_MS, TOKEN_MS, Device
from tests.e2e.server import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

GONE = 1006
"""What a browser says where nobody said anything."""


@pytest.fixture(scope="module")
def tabs(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Tabs]:
    with (
        open_browser(pytestconfig) as browser,
        browser.new_context() as context,
        Service(tmp_path_factory.mktemp("service") / "data") as service,
    ):
        yield Tabs(context, service.base_url)


@pytest.fixture
def device(tabs: Tabs) -> Iterator[Device]:
    page = tabs.open_page()
    page.clock.install()
    page.goto(tabs.base_url)
    device = Device(page)
    device.begin()
    yield device
    page.close()
    assert tabs.complaints == []


def event(cursor: str, seq: int, conversation: str = "c1") -> dict[str, Any]:
    return {"op": "event", "cursor": cursor, "conversationId": conversation, "seq": seq, "type": "message.created"}


def test_it_says_hello_with_its_cursor_and_comes_back_with_what_it_has(device: Device) -> None:
    device.welcome()
    hello = {"op": "hello", "token": "token-1", "cursor": BEGIN, "client": {"name": "test", "version": "1"}}
    assert device.sent() == [hello]
    assert device.look("sockets[0].protocol") == "sanctum.v1"
    device.push(event("2-a", 1), event("3-a", 2), {"op": "live", "cursor": "4-a"})
    assert device.taken == ["2-a", "3-a"]
    assert device.state == "live"
    device.end(1006)
    assert device.state == "waiting"
    device.reconnect()
    assert device.sent()[0]["cursor"] == "4-a"
    assert device.sent()[0]["resumeToken"] == "resume-1"


def test_it_takes_nothing_twice(device: Device) -> None:
    """What is not above the last seq of its conversation was taken; holes mean nothing."""
    device.welcome()
    device.push(event("2-a", 1), event("5-a", 7), event("6-a", 1, "c2"), event("5-a", 7), event("4-a", 3))
    assert device.taken == ["2-a", "5-a", "6-a"]
    device.end(1006)
    device.reconnect()
    assert device.sent()[0]["cursor"] == "6-a"
    device.push(event("6-a", 1, "c2"), event("7-a", 2, "c2"))
    assert device.taken == ["2-a", "5-a", "6-a", "7-a"]


def test_nothing_overtakes_a_resync_and_its_cursor_holds_once_the_lists_were_read(device: Device) -> None:
    device.welcome()
    device.push(event("9-a", 9), {"op": "resync", "reason": "diverged", "cursor": "3-b"}, event("4-b", 2))
    assert device.taken == ["9-a"]

    # The lists could not be read: all of it comes again on the next socket, from the cursor before.
    device.look("resyncs[0].fail()")
    assert device.closed() == 1000
    device.reconnect()
    assert device.sent()[0]["cursor"] == "9-a"
    device.push({"op": "resync", "reason": "diverged", "cursor": "3-b"}, event("4-b", 2))
    device.look("resyncs[1].done()")
    assert device.taken == ["9-a", "4-b"]
    device.end(1006)
    device.reconnect()
    assert device.sent()[0]["cursor"] == "4-b"


def test_it_comes_back_after_some_close_codes_and_stays_away_after_others(device: Device) -> None:
    for code in (GONE, *CloseCode):
        device.begin()
        device.welcome()
        device.end(code)
        if client_reconnects(code):
            device.reconnect()
            continue
        assert device.state == "stopped"
        assert device.look("states.at(-1).code") == code
        device.wait(120_000)
        device.look("client.retryNow()")
        assert device.sockets == 1


def test_a_heartbeat_is_acknowledged_and_silence_ends_the_socket(device: Device) -> None:
    device.welcome()
    device.push({"op": "ping", "cursor": "8-a"})
    assert device.sent()[-1] == {"op": "ack", "cursor": "8-a"}
    device.wait(2 * HEARTBEAT_MS - 2_000)
    assert device.closed(0) is None
    device.wait(4_000)
    assert device.closed(0) == 4002
    assert device.sockets == 2
    device.welcome()
    assert device.sent()[0]["cursor"] == "8-a"


def test_the_waits_grow_up_to_half_a_minute_and_never_fall_below_what_was_asked(device: Device) -> None:
    device.look("drawn = 1")
    waits = []
    for _ in range(8):
        device.end(1006)
        waits.append(device.planned_ms())
        device.wait(device.planned_ms() + 1)
    # Within the milliseconds that pass while one is read.
    assert waits == pytest.approx([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000], abs=50)

    device.look("drawn = 0")
    device.welcome()
    device.push(
        {"op": "live", "cursor": BEGIN}, {"op": "error", "problem": {"code": "overloaded", "retryAfterMs": 9_000}}
    )
    device.end(4009)
    assert 8_000 < device.planned_ms() <= 9_000


def test_a_drained_client_has_the_new_socket_before_it_lets_the_old_one_go(device: Device) -> None:
    device.welcome()
    device.push({"op": "live", "cursor": "2-a"}, {"op": "drain", "reconnectInMs": 3_000})
    device.wait(2_000)
    assert device.sockets == 1
    device.wait(1_500)
    assert device.sockets == 2
    device.push(event("3-a", 1), number=0)
    assert device.closed(0) is None
    device.welcome()
    assert device.closed(0) == 1000
    device.push(event("3-a", 1), event("4-a", 2), {"op": "live", "cursor": "4-a"})
    assert device.taken == ["3-a", "4-a"]
    device.end(4504, number=0)
    assert device.state == "live"


def test_the_token_is_refreshed_on_the_open_socket(device: Device) -> None:
    device.welcome()
    device.push({"op": "live", "cursor": "2-a"})

    def refreshed() -> list[str]:
        return [frame["token"] for frame in device.sent() if frame["op"] == "auth"]

    for _ in range(TOKEN_MS // HEARTBEAT_MS - 4):
        device.wait(HEARTBEAT_MS)
        device.push({"op": "ping", "cursor": "2-a"})
    assert refreshed() == []
    device.wait(HEARTBEAT_MS + 1_000)
    assert refreshed() == ["token-2"]
    device.push({"op": "ok", "id": "1", "result": {}}, {"op": "authRequired", "expiresAt": "2027-01-01T00:00:00Z"})
    assert refreshed() == ["token-2", "token-3"]
