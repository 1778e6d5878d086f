"""The whole service inside somebody else's ASGI application, on any server.

    .venv/bin/uvicorn --factory examples.mounted:create_app --ws websockets-sansio --port 8765

Starlette stands for yours here; FastAPI mounts the same way. What the application has no route for goes to the service,
which then answers under its usual paths, its WebSocket included. Settings come from the environment, as always. What is
another's business then is told in docs/operations.md, "Inside another application".
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from sanctum_messaging.bootstrap.service import Service, open_service
from sanctum_messaging.config import load_config

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send


def create_app() -> Starlette:
    """Make an application that has a page of its own, and conversations."""
    services: list[Service] = []

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        async with open_service(load_config(os.environ)) as service:
            services.append(service)
            yield
            await service.drain()

    async def messaging(scope: Scope, receive: Receive, send: Send) -> None:
        await services[0].asgi(scope, receive, send)

    async def home(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("An application of your own.\n")

    return Starlette(routes=[Route("/", home), Mount("/", app=messaging)], lifespan=lifespan)
