"""Clients that lost their instance come back at once, each with 20 messages missed: a few hundred, and thousands."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from bench.figures import Figure
from bench.herd import Member, come
from bench.measuring import median, micros, millis
from bench.servers import UNLIMITED, serve
from bench.socket_client import RefusedError, Socket

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.measuring import Run
    from bench.servers import Service

CLIENTS, FEW, MISSED, GROUP = 2_000, 300, 20, 100
"""Each client is of another user, ``GROUP`` of whom share a conversation."""
PATH = "/v1/ws"
_MOST_MS, _MOST_SECONDS = 150, 10
_FIRST_AT_ONCE = 50
_PATIENCE_SECONDS = 60
_POLL_SECONDS = 0.1
_LIMITED = {"HANDSHAKES_PER_SECOND": "250", **{name: "0" for name in UNLIMITED if name != "HANDSHAKES_PER_SECOND"}}
"""As the service is by default, but that it takes as many as come from one address and knows no rates of users."""
_PAGES = 'sanctum_catch_up_pages_total{source="database"}'
_READS = "sanctum_arrival_reads_total"


@dataclass(slots=True)
class Client:
    """One device: what it holds of its session, and when it last came back."""

    token: str
    cursor: str = ""
    resume_token: str = ""
    events: int = 0
    live: float = 0.0
    refused: int = 0
    socket: Socket | None = None
    is_live: asyncio.Event | None = None

    async def come(self, port: int) -> None:
        """Open a socket, however often that is refused, say where to go on, and wait until all is there."""
        self.events, self.is_live = 0, asyncio.Event()
        while self.socket is None:
            try:
                self.socket = await Socket.open(port, PATH, token=self.token, on_text=self._take)
            except RefusedError as refused:
                self.refused += 1
                await asyncio.sleep(_find_retry_after(refused))
        self.socket.send(self.greeting)
        await self.is_live.wait()

    @property
    def greeting(self) -> bytes:
        """What it says first: where to go on."""
        known = {"cursor": self.cursor, "resumeToken": self.resume_token} if self.cursor else {}
        return msgspec.json.encode({"op": "hello", **known})

    def leave(self) -> None:
        """Hang up."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def _take(self, text: bytes) -> None:
        self.events += text.startswith(b'{"op":"event"')
        if text.startswith(b'{"op":"welcome"'):
            welcome = msgspec.json.decode(text)
            self.resume_token, self.cursor = welcome["resumeToken"], welcome["cursor"]
        elif text.startswith(b'{"op":"live"'):
            self.live = time.perf_counter()
            assert self.is_live is not None
            self.is_live.set()


async def measure(run: Run) -> list[Figure]:
    """Let all connect once, write what they will miss, and let them come back to new processes."""
    folder, count = run.folder / "storm", CLIENTS // 4 if run.quick else CLIENTS
    async with serve(folder) as service:
        clients = [Client(service.token(f"user-{number}")) for number in range(count)]
        groups = await _gather(service, count)
        await _come(service, clients, at_once=_FIRST_AT_ONCE)
        await _leave(service, clients)
        await _write(service, groups)
    async with serve(folder) as service:
        few = await _measure_few(service, clients, run.rounds)
    begun = time.perf_counter()
    async with serve(folder, environ=_LIMITED) as service:
        return [*few, *await _measure_all(service, clients, begun)]


async def _measure_few(service: Service, clients: Sequence[Client], rounds: int) -> list[Figure]:
    """Have some come back at once, and each time others, whom this process does not know."""
    measured = []
    for first in range(0, min(rounds * FEW, len(clients) - FEW + 1), FEW):
        measured.append(await _measure_herd(service, clients[first : first + FEW]))
        await _wait_for_none(service)
    last, usual, behind, whole, own, theirs = (median(column) for column in zip(*measured, strict=True))
    what = f"storm: {FEW} that missed {MISSED} each"
    return [
        Figure(name=f"{what}, handshake to live, the last", value=millis(last), unit="ms", at_most=_MOST_MS),
        Figure(name=f"{what}, handshake to live, the median", value=millis(usual), unit="ms"),
        Figure(name=f"{what}, last handshake to the last live", value=millis(behind), unit="ms"),
        Figure(name=f"{what}, first to connect to the last live", value=millis(whole), unit="ms"),
        Figure(name=f"{what}, server CPU of one", value=micros(own) / FEW, unit="µs"),
        Figure(name=f"{what}, CPU of the client itself", value=micros(theirs) / FEW, unit="µs"),
        Figure(name=f"{what}, pages from the database", value=await service.read_metric(_PAGES), unit="1", at_most=0),
    ]


async def _measure_herd(service: Service, some: Sequence[Client]) -> tuple[float, ...]:
    """Return how long some waited for their streams, the last and the median; all of it; and both sides' CPU."""
    before = service.cpu_seconds
    async with come(service.port, [Member(each.token, each.greeting.decode()) for each in some]) as herd:
        own = service.cpu_seconds - before
        for client, arrival in zip(some, herd.arrivals, strict=True):
            client.events = arrival.events
            client.resume_token, client.cursor = arrival.welcome["resumeToken"], arrival.welcome["cursor"]
    _check_missed(some)
    behind = herd.last_live - herd.last_opened
    return max(herd.waited), median(herd.waited), behind, herd.last_live, own, herd.cpu_seconds


async def _measure_all(service: Service, clients: Sequence[Client], begun: float) -> list[Figure]:
    """Have all come back as soon as the process is there; it started with this round."""
    ready, before = time.perf_counter(), service.cpu_seconds
    await _come(service, clients, at_once=len(clients))
    cpu = (service.cpu_seconds - before) / len(clients)
    last = max(each.live for each in clients)
    _check_missed(clients)
    what = f"storm: {len(clients):,} after a restart"
    refused = sum(each.refused for each in clients)
    pages, reads = await service.read_metric(_PAGES), await service.read_metric(_READS)
    await _leave(service, clients)
    return [
        Figure(
            name=f"{what}, start of the process to the last live", value=last - begun, unit="s", at_most=_MOST_SECONDS
        ),
        Figure(name=f"{what}, readiness to the last live", value=last - ready, unit="s"),
        Figure(name=f"{what}, server CPU of one", value=micros(cpu), unit="µs"),
        Figure(name=f"{what}, handshakes told to come later", value=refused, unit="1"),
        Figure(name=f"{what}, pages from the database", value=pages, unit="1", at_most=0),
        Figure(name=f"{what}, statements that read memberships", value=reads, unit="1"),
    ]


async def _gather(service: Service, count: int) -> list[str]:
    """Put the users into conversations."""
    names = [f"user-{number}" for number in range(count)]
    return [await service.create_conversation("owner", names[at : at + GROUP]) for at in range(0, count, GROUP)]


async def _write(service: Service, groups: Iterable[str]) -> None:
    """Send what everybody misses."""
    for group in groups:
        for number in range(MISSED):
            body = {"conversationId": group, "clientMessageId": f"m-{number}", "body": "Did you see this?"}
            await service.call("POST", "/v1/messages", "owner", body, expected=201)


async def _come(service: Service, clients: Sequence[Client], *, at_once: int) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        for at in range(0, len(clients), at_once):
            await asyncio.gather(*(each.come(service.port) for each in clients[at : at + at_once]))


async def _leave(service: Service, clients: Iterable[Client]) -> None:
    """Hang up, and wait until that is over: it is no part of who comes next."""
    for each in clients:
        each.leave()
    await _wait_for_none(service)


async def _wait_for_none(service: Service) -> None:
    """Wait until the service is done with all."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while await service.read_metric("sanctum_connections"):  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(_POLL_SECONDS)


def _check_missed(clients: Iterable[Client]) -> None:
    missed = {each.events for each in clients}
    assert missed == {MISSED}, missed


def _find_retry_after(refused: RefusedError) -> float:
    """Wait as long as the answer says, which is told in whole seconds, and a little of one's own."""
    head = bytes(refused.args[0]).lower()
    assert head.startswith(b"http/1.1 503"), head
    return int(head.partition(b"\r\nretry-after:")[2].partition(b"\r\n")[0]) + random.uniform(-1, 0)
