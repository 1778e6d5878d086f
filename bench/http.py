"""Acknowledged sends over HTTP with 64 in flight, against a bare echo of the same requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.http_client import Connection, put_load
from bench.loads import Load, compare_loads
from bench.measuring import Run
from bench.sends import build_send
from bench.servers import Server, Service, serve, serve_baseline

if TYPE_CHECKING:
    from collections.abc import Callable

IN_FLIGHT = 64
USERS = 8
_ECHO = "a bare Starlette echo of the same requests, same server settings"


@dataclass(frozen=True, slots=True)
class Subject:
    """A server under load: what it took, and what it did."""

    server: Server
    connections: list[Connection]
    make_request: Callable[[int], bytes]

    async def measure(self, seconds: float) -> Load:
        """Put load on it."""
        before = self.server.cpu_seconds
        load = await put_load(self.connections, self.make_request, seconds=seconds)
        load.server_cpu_seconds = self.server.cpu_seconds - before
        return load


async def measure(run: Run) -> list[Figure]:
    """Take turns between the service and the echo."""
    async with serve(run.folder / "http") as service, serve_baseline(run.folder) as echo:
        make_request = await prepare_sends(service)
        subject, baseline = [Subject(each, await each.connect(IN_FLIGHT), make_request) for each in (service, echo)]
        await subject.measure(run.seconds / 2)
        before = await _read_counts(service)
        rounds = [(await subject.measure(run.seconds), await baseline.measure(run.seconds)) for _ in range(run.rounds)]
        commits, messages = (now - then for now, then in zip(await _read_counts(service), before, strict=True))
    figures = compare_loads("http", rounds, _ECHO)
    return [*figures, Figure(name="http: commits per send", value=commits / messages, unit="", at_most=0.1)]


async def _read_counts(service: Service) -> tuple[float, float]:
    commits = await service.read_metric("sanctum_append_commits_total")
    return commits, await service.read_metric("sanctum_append_messages_total")


async def prepare_sends(service: Service) -> Callable[[int], bytes]:
    """Prepare conversations; return what makes a send for a connection's number."""
    users = [f"sender-{number}" for number in range(USERS)]
    places = [(service.token(user), await service.create_conversation(user)) for user in users]

    def make(number: int) -> bytes:
        token, conversation = places[number % USERS]
        return build_send(token, conversation)

    return make
