"""The ASGI application: the routes of the API, wrapped in its middleware."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.routing import Router

from sanctum_messaging.api.calls import ACTOR, ROUTE, VERDICT, Call, Reply, find_address, find_header, send_reply
from sanctum_messaging.api.handler_deadline import HandlerDeadline
from sanctum_messaging.api.middleware.access_log import AccessLog
from sanctum_messaging.api.middleware.address_limit import AddressCheck, AddressCount
from sanctum_messaging.api.middleware.body_limit import BodyLimit
from sanctum_messaging.api.middleware.client_address import ClientAddress
from sanctum_messaging.api.middleware.cors import CORS
from sanctum_messaging.api.middleware.front import Front
from sanctum_messaging.api.middleware.hosts import Hosts
from sanctum_messaging.api.middleware.problems import Problems
from sanctum_messaging.api.middleware.request_id import RequestIds
from sanctum_messaging.api.middleware.traces import Traces
from sanctum_messaging.api.origins import OriginPolicy
from sanctum_messaging.api.problems import REQUEST_ID
from sanctum_messaging.api.reading import NoQuery, QueryReader, read_body, read_token
from sanctum_messaging.api.routes import ROUTES
from sanctum_messaging.api.routes.operations import operations
from sanctum_messaging.api.routing import WS_PATH, AnyRoute, NoBody, PathTree, raw_path
from sanctum_messaging.domain.errors import NotFoundError, UnavailableError
from sanctum_messaging.guards.admission import Visit
from sanctum_messaging.guards.rate_limits import NO_LIMITS
from sanctum_messaging.protocol.decoding import StrictDecoder

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from sanctum_messaging.api.services import Services


def create_api(services: Services) -> ASGIApp:
    """Build the application. It starts and stops nothing: what it is given must be running."""
    settings = services.settings
    app: ASGIApp = Dispatcher(services)
    app = BodyLimit(app, max_bytes=settings.max_body_bytes)
    app = AddressCheck(app, services.rate_limits)
    if settings.allowed_hosts:
        app = Hosts(app, settings.allowed_hosts)
    app = Problems(app)
    app = CORS(app, OriginPolicy(settings.cors_origins, credentials=settings.cors_credentials))
    clock = services.ports.clock
    prepare = (RequestIds(clock).give, ClientAddress(settings.trusted_proxies).find)
    app = Front(
        app, clock, prepare=prepare, conclude=(AddressCount(services.rate_limits).count, AccessLog(services).tell)
    )
    return app if services.tracer is None else Traces(app, services.tracer)


class Dispatcher:
    """Hands each request to the endpoint that it names; what it does not know goes to the extra routes."""

    def __init__(self, services: Services) -> None:
        """Prepare the endpoints of all routes, once."""
        self._websocket = services.websocket
        self._extra = Router(list(services.extra_routes), redirect_slashes=False, default=_find_nothing)
        self._tree: PathTree[ASGIApp] = PathTree()
        for path, endpoint in operations(services, ROUTES).items():
            self._tree.add("GET", path, _named(f"GET {path}", endpoint))
        for route in ROUTES:
            self._tree.add(route.method, route.path, Endpoint(services, route))

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request, one socket, or the server's life; there is no step in between."""
        if scope["type"] == "http":
            return self._serve(scope, receive, send)
        if scope["type"] == "websocket":
            return self._serve_socket(scope, receive, send)
        return _live(receive, send)

    def _serve(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        found = self._tree.find(scope["method"], raw_path(scope))
        if found is None:
            # Starlette's routes raise their refusals only where they stand in an application.
            return self._extra({**scope, "app": self}, receive, send)
        endpoint, scope["path_params"] = found
        return endpoint(scope, receive, send)

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != WS_PATH:
            raise NotFoundError
        scope[ROUTE] = f"GET {WS_PATH}"
        # Handshakes are counted by what proves who they are of.
        scope[VERDICT] = NO_LIMITS
        await self._websocket(scope, receive, send)


class Endpoint:
    """One route at work: authenticate, check the form, call the handler, answer."""

    def __init__(self, services: Services, route: AnyRoute) -> None:
        """Prepare decoders for the route's types."""
        self._services = services
        self._handler = route.handler
        self._name = f"{route.method} {route.path}"
        self._use = route.use
        self._media_types = route.media_types
        self._decoder = None if route.body is NoBody else StrictDecoder(route.body)
        self._query = QueryReader(route.query or NoQuery)
        self._deadline = HandlerDeadline(route.seconds)
        self._late = "unavailable" if route.method == "GET" else "outcome_unknown"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        scope[ROUTE] = self._name
        visit = self._visit(scope)
        # From here on the gate counts, whatever comes of it.
        scope[VERDICT] = NO_LIMITS
        actor = await self._services.admission.admit(visit)
        query = self._query.read(scope["query_string"])
        body = None
        if self._decoder is not None:
            body = self._decoder.decode(await read_body(scope, receive, self._media_types))
        # A body comes as slowly as its client likes, who may keep it back until his token is withdrawn.
        self._services.admission.check(actor)
        call = Call(self._services, scope, actor, scope["path_params"], body, query)
        await send_reply(scope, send, await self._handle(call))

    async def _handle(self, call: Call[Any, Any]) -> Reply:
        """Call the handler, which has so long. What it gave to a writer is done whatever becomes of it."""
        begun = self._deadline.begin()
        try:
            reply: Reply = await self._handler(call)
        except asyncio.CancelledError:
            if self._deadline.ended(begun):
                raise UnavailableError("It took too long.", code=self._late) from None
            raise
        finally:
            self._deadline.finish(begun)
        return reply

    def _visit(self, scope: Scope) -> Visit:
        return Visit(
            token=read_token(scope),
            act_as=find_header(scope, b"act-as"),
            address=find_address(scope),
            action=self._name,
            use=self._use,
            request_id=scope.get(REQUEST_ID, ""),
            tell=partial(scope.__setitem__, VERDICT),
            tell_actor=partial(scope.__setitem__, ACTOR),
        )


def _named(name: str, endpoint: ASGIApp) -> ASGIApp:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE] = name
        await endpoint(scope, receive, send)

    return serve


async def _find_nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise NotFoundError


async def _live(receive: Receive, send: Send) -> None:
    """Follow the server's life without a part in it; whoever composes the service starts and stops things."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
