"""The whole service inside the test's own process and loop, behind a real listening socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanctum_messaging.bootstrap.identity import development_issuer
from sanctum_messaging.bootstrap.service import open_service
from sanctum_messaging.config import Config, load_config
from sanctum_messaging.server.server import create_server
from tests.socket_endpoints import with_sockets
from tests.unlimited import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from sanctum_messaging.bootstrap.service import Service
    from tests.socket_endpoints import Endpoint


@dataclass(frozen=True, slots=True)
class Here:
    """A service that runs here."""

    service: Service
    config: Config
    base_url: str

    @property
    def database_path(self) -> Path:
        return self.config.database_path

    def token(
        self,
        user: str,
        *,
        device: str | None = None,
        tenant: str = "default",
        scope: str | None = None,
        ttl: int = 3600,
    ) -> str:
        """Sign a token with the service's development key."""
        issuer = development_issuer(self.config, lambda: time.time_ns() // 1_000_000)
        return issuer.issue(user, device=device, tenant=tenant, scope=scope, ttl=ttl)


@contextlib.asynccontextmanager
async def serve_here(data_dir: Path, *, endpoint: Endpoint = with_sockets) -> AsyncGenerator[Here]:
    """Run a service on a data directory and a free port."""
    config = load_config({"DATA_DIR": str(data_dir), "PORT": "0", "LOG_LEVEL": "error", **UNLIMITED}, dev=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # asyncio does this only for sockets that say they are TCP, which those of `create_server` don't; uvloop always.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with open_service(config) as service:
            server = create_server(endpoint(service.asgi), service.intake, grace_seconds=1)
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                yield Here(service, config, f"http://127.0.0.1:{listener.getsockname()[1]}")
            finally:
                await service.drain()
                server.should_exit = True
                await serving
