"""Listing 100 conversations with 10,000 unread messages each: the store's call, and the same over HTTP."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from bench.figures import Figure
from bench.http_client import build_request
from bench.large_log import CONVERSATIONS, LISTER, LargeLog, open_large_log
from bench.measuring import Run, median, millis
from sanctum_messaging.domain.model import DEFAULT_TENANT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_MOST_MS = 150
_NOTHING = "GET /healthz on the same connection"


async def measure(run: Run) -> list[Figure]:
    """List what is in a file."""
    return await measure_listing(run, await open_large_log(run), "listing")


async def measure_listing(run: Run, log: LargeLog, area: str) -> list[Figure]:
    """List with the store alone, then with the service around it."""
    async with log.open_store() as store:

        async def list_conversations() -> None:
            views, _ = await store.list_conversations(DEFAULT_TENANT, LISTER, before=None, limit=CONVERSATIONS)
            assert [view.unread_count for view in views] == [min(log.unread_each, 1_000)] * CONVERSATIONS

        direct = await time_calls(run, list_conversations)
    async with log.serve() as service:
        connection = (await service.connect(1))[0]
        path = f"/v1/conversations?limit={CONVERSATIONS}"
        request = build_request("GET", path, service.token(LISTER))

        async def get_conversations() -> None:
            answer = msgspec.json.decode((await connection.call(request)).body)
            assert len(answer["conversations"]) == CONVERSATIONS

        async def get_health() -> None:
            assert (await connection.call(build_request("GET", "/healthz"))).status == 200

        over_http = await time_calls(run, get_conversations)
        nothing = await time_calls(run, get_health)
        connection.close()
    what = f"{area}: {CONVERSATIONS} with {log.unread_each:,} unread"
    return [
        Figure(name=f"{what}, the store", value=millis(direct), unit="ms", at_most=_MOST_MS),
        Figure(
            name=f"{what}, over HTTP",
            value=millis(over_http),
            unit="ms",
            baseline=millis(nothing),
            against=_NOTHING,
            at_most=_MOST_MS,
        ),
    ]


async def time_calls(run: Run, call: Callable[[], Awaitable[None]]) -> float:
    """Return the median time of a call, in seconds, after one that is not counted."""
    await call()
    times = []
    for _ in range(3 * run.rounds):
        begun = time.perf_counter()
        await call()
        times.append(time.perf_counter() - begun)
    return median(times)
