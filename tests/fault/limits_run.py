"""A cluster whose users may send only so much, and one who sends as fast as he can through all instances."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from bench.http_client import Connection, Response, build_request
from sanctum_messaging.domain.limits import Limit, Scope
from tests.fault.check_limits import REFUSED, Attempt, Outage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from tests.e2e.cluster import Cluster, Instance

LIMIT = Limit("send-user", Scope.USER, 20, 10_000)
ENVIRON = {"RATE_LIMIT_PER_USER": str(LIMIT.max), "RATE_LIMIT_INTERVAL_MS": str(LIMIT.interval_ms)}
SENDERS = 2
"""Of each instance."""
REST_SECONDS = 0.05
"""After a refusal. What Redis says comes through this process too, and is waited for a quarter of a second only."""
REFUSALS = 5
"""Of each instance, after which all of what it would let pass at once has passed."""
LOOK_SECONDS = 0.02
_METRIC = r"^sanctum_limiter_{} (\S+)$"


class Attack:
    """One user at all instances, who sends from ``begin`` on until the end."""

    def __init__(self, cluster: Cluster) -> None:
        self.attempts: list[Attempt] = []
        self.outages: list[Outage] = []
        """The phases in which instances decided by themselves, or Redis was emptied."""
        self._cluster = cluster
        self._token = cluster.token("ann")
        self._conversation_id = ""
        self._numbers = itertools.count(1)
        self._connections: dict[str, Connection] = {}
        self._senders: list[asyncio.Task[None]] = []
        self._exit = AsyncExitStack()
        self._phase = (self.now, 0.0)

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def send(self, instance: Instance, connection: Connection | None = None) -> Response:
        """Send one message to an instance."""
        number = f"number-{next(self._numbers)}"
        message = {"conversationId": self._conversation_id, "clientMessageId": number, "body": "Hello"}
        request = build_request("POST", "/v1/messages", self._token, json.dumps(message).encode())
        called = self.now
        answer = await (connection or self._connections[instance.name]).call(request)
        self.attempts.append(Attempt(called, self.now, answer.status, instance.name))
        return answer

    def begin(self) -> None:
        """Let him send from now on."""
        self._senders = [
            asyncio.create_task(self._send_on(instance)) for instance in self._cluster.instances for _ in range(SENDERS)
        ]

    async def run_until_refused(self) -> None:
        """Return once each instance has let pass all that it would, and refuses."""
        began = len(self.attempts)
        names = {instance.name for instance in self._cluster.instances}

        def is_refused() -> bool:
            refused = Counter(each.instance for each in self.attempts[began:] if each.status == REFUSED)
            return all(refused[name] >= REFUSALS for name in names)

        while not is_refused():
            await self.run_for(LOOK_SECONDS)

    async def run_until_asked(self) -> None:
        """Return once each instance has asked Redis again."""
        await self._run_until_more("batches_total")

    async def run_until_decided_here(self) -> None:
        """Return once each instance has decided something by itself."""
        await self._run_until_more("local_decisions_total")

    async def run_for(self, seconds: float) -> None:
        """Return after so many seconds; raise what goes wrong meanwhile."""
        done, _ = await asyncio.wait(self._senders, timeout=seconds)
        for task in done:
            task.result()

    async def end_phase(self, *, emptied: bool = False) -> None:
        """Note what kind of phase ended here; it counts twice if Redis was emptied and away.

        On a busy machine an instance may wait for Redis in vain at any time; it is excused as in any other outage.
        """
        began, known = self._phase
        local = sum(await self._read("local_decisions_total"))
        self.outages += [Outage(began, self.now)] * (emptied + (local > known))
        self._phase = (self.now, local)

    async def _run_until_more(self, metric: str) -> None:
        before = await self._read(metric)
        while any(new <= old for new, old in zip(await self._read(metric), before, strict=True)):
            await self.run_for(LOOK_SECONDS)

    async def _read(self, metric: str) -> list[float]:
        answers = await asyncio.gather(*(each.call(build_request("GET", "/metrics")) for each in self._idle()))
        found = re.compile(_METRIC.format(metric), re.MULTILINE)
        return [float(found.findall(answer.body.decode())[0]) for answer in answers]

    def _idle(self) -> list[Connection]:
        return list(self._connections.values())

    async def _send_on(self, instance: Instance) -> None:
        connection = await self._open(instance, self._exit)
        while True:
            if (await self.send(instance, connection)).status == REFUSED:
                await asyncio.sleep(REST_SECONDS)

    async def _open(self, instance: Instance, stack: AsyncExitStack) -> Connection:
        connection = await Connection.open(instance.service.port)
        stack.callback(connection.close)
        return connection

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as undo:
            for instance in self._cluster.instances:
                self._connections[instance.name] = await self._open(instance, undo)
            request = build_request(
                "POST", "/v1/conversations", self._token, b'{"kind": "group", "participants": [{"userId": "bob"}]}'
            )
            created = await self._idle()[0].call(request)
            self._conversation_id = json.loads(created.body)["conversation"]["id"]
            # Until then an instance takes itself for the only one, should Redis be slow.
            while any(count < len(self._connections) for count in await self._read("instances")):  # noqa: ASYNC110 - it asks
                await asyncio.sleep(LOOK_SECONDS)
            self._exit = undo.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._senders:
            task.cancel()
        await asyncio.gather(*self._senders, return_exceptions=True)
        await self._exit.aclose()


async def kill(cluster: Cluster) -> None:
    await asyncio.to_thread(cluster.valkey.kill)


async def revive(cluster: Cluster) -> None:
    await asyncio.to_thread(cluster.valkey.revive)


async def empty(cluster: Cluster) -> None:
    await asyncio.to_thread(cluster.valkey.empty)


async def hold(cluster: Cluster) -> None:
    for instance in cluster.instances:
        instance.redis.commands.hold()


async def delay(cluster: Cluster) -> None:
    for instance in cluster.instances:
        for flow in (instance.redis.commands.to_upstream, instance.redis.commands.to_client):
            flow.latency, flow.jitter = 0.1, 0.2


async def heal(cluster: Cluster) -> None:
    for instance in cluster.instances:
        await instance.redis.commands.heal()


BREAK: dict[str, tuple[Callable[[Cluster], Awaitable[None]], Callable[[Cluster], Awaitable[None]]]] = {
    "killed": (kill, revive),
    "emptied": (empty, heal),
    "held": (hold, heal),
    "delayed": (delay, heal),
}
"""What is done to Redis, for all instances at once, and what undoes it."""
