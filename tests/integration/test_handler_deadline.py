"""A handler has its time, and what it gave to the writer is not undone by its end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.api import application
from sanctum_messaging.api.routes import ROUTES
from tests.integration.calling import got, open_api, refused

if TYPE_CHECKING:
    from pathlib import Path

    from sanctum_messaging.api.calls import Call, Reply


def test_is_ten_seconds_and_for_polls_as_much_after_their_wait() -> None:
    seconds = {route.path: route.seconds for route in ROUTES}
    assert seconds.pop("/v1/sync") == 40
    assert set(seconds.values()) == {10}


def replaced(monkeypatch: pytest.MonkeyPatch, path: str, **changes: object) -> None:
    """Have a service that starts from now on treat this path otherwise."""
    routes = tuple(replace(route, **changes) if route.path == path else route for route in ROUTES)  # type: ignore[arg-type]  # fields of a route
    monkeypatch.setattr(application, "ROUTES", routes)


async def hang(_call: Call[object, object]) -> Reply:
    await asyncio.Event().wait()
    raise AssertionError


async def time_out(_call: Call[object, object]) -> Reply:
    raise TimeoutError


async def test_that_passed_is_told_and_may_be_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced(monkeypatch, "/v1/unread", handler=hang, seconds=0.01)
    async with open_api(tmp_path) as api:
        response = await api.user("ann").get("/v1/unread")
        assert refused(response, 503, "unavailable")["retryable"] is True
        assert response.headers["retry-after"] == "1"


async def test_another_timeout_is_no_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced(monkeypatch, "/v1/unread", handler=time_out)
    async with open_api(tmp_path) as api:
        refused(await api.user("ann").get("/v1/unread"), 500, "internal")


async def test_that_passed_during_a_send_leaves_one_message_after_a_repeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At whatever step it falls: before the queue, in it, or while the commit is under way."""
    replaced(monkeypatch, "/v1/messages", seconds=0.001)
    bodies = [{"clientMessageId": f"c{number}", "body": "Hello"} for number in range(20)]
    async with open_api(tmp_path) as api:
        ann = api.user("ann")
        group = await ann.create()
        for body in bodies:
            first = await ann.call("POST", "/v1/messages", {"conversationId": group, **body})
            if first.status_code != 201:
                refused(first, 503, "outcome_unknown")
    monkeypatch.undo()
    async with open_api(tmp_path) as api:
        ann = api.user("ann")
        for body in bodies:
            got(await ann.call("POST", "/v1/messages", {"conversationId": group, **body}), 200, 201)
        assert len(got(await ann.get(f"/v1/conversations/{group}/messages"), 200)["messages"]) == len(bodies)
