"""Acknowledged sends over HTTP with 64 in flight, against a bare echo of the same requests."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.http_client import Connection, Load, build_request, put_load
from bench.measuring import Run, median, micros, millis, percentile
from bench.servers import Server, Service, serve, serve_baseline

if TYPE_CHECKING:
    from collections.abc import Callable

IN_FLIGHT = 64
USERS = 8
_BODY = "A message as people write them: a sentence or two, about a hundred characters, rarely more than that."
_ECHO = "a bare Starlette echo of the same requests, same server settings"

_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Subject:
    """A server under load: what it took, and what it did."""

    server: Server
    connections: list[Connection]
    make_request: Callable[[int], bytes]

    async def measure(self, seconds: float) -> tuple[Load, float]:
        """Put load on it; return the load, and the processor time per request."""
        before = self.server.cpu_seconds
        load = await put_load(self.connections, self.make_request, seconds=seconds)
        return load, (self.server.cpu_seconds - before) / len(load.latencies)


async def measure(run: Run) -> list[Figure]:
    """Take turns between the service and the echo."""
    async with serve(run.folder / "http") as service, serve_baseline(run.folder) as echo:
        make_request = await _prepare_sends(service)
        subjects = [Subject(each, await each.connect(IN_FLIGHT), make_request) for each in (service, echo)]
        for subject in subjects:
            await subject.measure(run.seconds / 2)
        before = await _read_counts(service)
        rounds = [[await subject.measure(run.seconds) for subject in subjects] for _ in range(run.rounds)]
        commits, messages = (now - then for now, then in zip(await _read_counts(service), before, strict=True))
    return [*_figures(rounds), Figure(name="http: commits per send", value=commits / messages, unit="", at_most=0.1)]


async def _read_counts(service: Service) -> tuple[float, float]:
    commits = await service.read_metric("sanctum_append_commits_total")
    return commits, await service.read_metric("sanctum_append_messages_total")


def _figures(rounds: list[list[tuple[Load, float]]]) -> list[Figure]:
    ours, echo = zip(*rounds, strict=True)
    return [
        Figure(
            name="http: acknowledged sends, 64 in flight",
            value=median([load.rate for load, _ in ours]),
            unit="1/s",
            baseline=median([load.rate for load, _ in echo]),
            against=_ECHO,
        ),
        Figure(
            name="http: server CPU per send",
            value=micros(median([cpu for _, cpu in ours])),
            unit="µs",
            baseline=micros(median([cpu for _, cpu in echo])),
            against=_ECHO,
        ),
        Figure(
            name="http: p99 of a send",
            value=millis(median([percentile(load.latencies, 99) for load, _ in ours])),
            unit="ms",
            baseline=millis(median([percentile(load.latencies, 99) for load, _ in echo])),
            against=_ECHO,
        ),
    ]


async def _prepare_sends(service: Service) -> Callable[[int], bytes]:
    """Prepare conversations; return what makes a send for a connection's number."""
    users = [f"sender-{number}" for number in range(USERS)]
    places = [(service.token(user), await service.create_conversation(user)) for user in users]

    def make(number: int) -> bytes:
        token, conversation = places[number % USERS]
        return build_send(token, conversation)

    return make


def build_send(token: str, conversation: str) -> bytes:
    """Write the request that sends a new message."""
    body = f'{{"conversationId":"{conversation}","clientMessageId":"c{next(_numbers)}","body":"{_BODY}"}}'
    return build_request("POST", "/v1/messages", token, body.encode())
