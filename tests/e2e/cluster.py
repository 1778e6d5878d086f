"""Several instances on one PostgreSQL and one Valkey, each with links of its own to both, which can be broken."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from tests.e2e.server import Service
from tests.servers.proxy import Proxy
from tests.servers.redis_link import RedisLink
from tests.servers.server import free_port

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from tests.servers.postgres import PostgresServer
    from tests.servers.valkey import ValkeyServer

LOOK_SECONDS = 0.1
"""Between two looks at the readiness of an instance, which proves a write once a second."""
ANSWER_SECONDS = 5
_ERROR = "[error "
CARELESS = {"fsync_off", "full_page_writes_off"}
"""What an instance complains of while all is well: the tests' server need not outlive the machine."""


class Instance:
    """A process of the service, and what leads from it to the servers."""

    def __init__(self, name: str, service: Service, *, database: Proxy, redis: RedisLink) -> None:
        self.name = name
        self.service = service
        self.database = database
        self.redis = redis

    async def start(self) -> None:
        """Start it, and return once it wants requests."""
        await asyncio.to_thread(self.service.start)

    async def kill(self) -> None:
        """End it at once (SIGKILL)."""
        await asyncio.to_thread(self.service.kill)

    async def readiness(self) -> str:
        """Ask whether it is ready: ``ready``, or in words what is wrong."""
        return await asyncio.to_thread(self._readiness)

    def _readiness(self) -> str:
        try:
            with urllib.request.urlopen(f"{self.service.base_url}/readyz", timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - our own address
                found = json.load(answer)
        except OSError as error:
            return str(error)
        reasons = set(found["reasons"]) - CARELESS
        return "ready" if found["status"] in {"ready", "degraded"} and not reasons else str(found)


QUIET = {"ACCESS_LOG": "off"}
"""A server keeps the last 2,000 lines: those of requests would push out what the tests look for."""


class Cluster:
    """Instances that share a database, a Valkey and the development key. ``environ`` configures all of them further."""

    def __init__(
        self,
        data_dir: Path,
        *,
        postgres: PostgresServer,
        database_url: str,
        valkey: ValkeyServer,
        size: int = 3,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.postgres = postgres
        self.valkey = valkey
        self.database_url = database_url
        self.instances = [self._instance(f"instance-{number}", data_dir, environ or {}) for number in range(size)]
        self._exit = AsyncExitStack()

    @property
    def logs(self) -> str:
        """The newest lines of all instances."""
        return "".join(f"{each.name}: {line}" for each in self.instances for line in each.service.log)

    @property
    def faults(self) -> list[str]:
        """What the instances logged as a fault of their own."""
        return [line for line in self.logs.splitlines() if _ERROR in line]

    def token(self, user: str) -> str:
        """Sign a token that all instances accept."""
        return self.instances[0].service.token(user)

    def pick(self, draw: random.Random) -> str:
        """Pick the address of an instance, as a load balancer does that knows who runs and not who is well."""
        running = [each for each in self.instances if each.service.is_running()]
        return draw.choice(running or self.instances).service.base_url

    async def find_ready(self, seconds: float) -> None:
        """Wait until all instances are ready. Raises ``AssertionError`` with what keeps them from it."""
        await self._find(lambda readiness: readiness == "ready", seconds)

    async def find_told(self, reason: str, seconds: float) -> None:
        """Wait until all instances give a reason for not being quite well."""
        await self._find(lambda readiness: reason in readiness, seconds)

    async def _find(self, wanted: Callable[[str], bool], seconds: float) -> None:
        deadline = asyncio.get_running_loop().time() + seconds
        while not all(map(wanted, found := await asyncio.gather(*(each.readiness() for each in self.instances)))):
            assert asyncio.get_running_loop().time() < deadline, f"not so after {seconds} s: {found}"
            await asyncio.sleep(LOOK_SECONDS)

    def _instance(self, name: str, data_dir: Path, environ: Mapping[str, str]) -> Instance:
        database, redis = Proxy(self.postgres.port), RedisLink(self.valkey.port)
        addresses = {"DATABASE_URL": database.url(self.database_url), "REDIS_URL": redis.url(self.valkey.url)}
        service = Service(data_dir, port=free_port(), environ={**addresses, **QUIET, **environ})
        return Instance(name, service, database=database, redis=redis)

    async def __aenter__(self) -> Self:
        # The first token makes the key that all share.
        self.token("nobody")
        async with AsyncExitStack() as undo:
            for instance in self.instances:
                await undo.enter_async_context(instance.database)
                await undo.enter_async_context(instance.redis)
                undo.push_async_callback(_end, instance)
            await asyncio.gather(*(each.start() for each in self.instances))
            self._exit = undo.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exit.aclose()


async def _end(instance: Instance) -> None:
    if instance.service.is_running():
        await instance.kill()
