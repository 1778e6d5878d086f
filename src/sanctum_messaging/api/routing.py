"""Routes as data, and the way from a request to the one that it names.

A route says which types its body and its query have; the same types validate and make the OpenAPI document. Paths are
matched undecoded, segment by segment, so that ``%2F`` within a user's id does not part it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote, unquote

import msgspec

from sanctum_messaging.api.problems import MethodNotAllowedError
from sanctum_messaging.api.reading import JSON_TYPE, NoQuery
from sanctum_messaging.domain.errors import NotFoundError
from sanctum_messaging.domain.limits import Use

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import Scope

    from sanctum_messaging.api.calls import Call, Reply

B = TypeVar("B", bound=msgspec.Struct)
Q = TypeVar("Q", bound=msgspec.Struct)
EndpointT = TypeVar("EndpointT")

HANDLER_SECONDS = 10.0
"""More than what a handler waits for may take: 5 s in the writer's queue or for a statement, 2 s for a connection."""
WS_PATH = "/v1/ws"
PROBE_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
"""What machines ask of each instance every few seconds, by its address. They must learn how it is in the middle of a
flood, too, and it tells nothing of anybody."""


class NoBody(msgspec.Struct, frozen=True):
    """The body of a call that takes none; whatever is sent with it is not read."""


@dataclass(frozen=True, slots=True)
class Route(Generic[B, Q]):
    """One call of the API. ``problems`` names the codes it may be refused with, beyond those of every call."""

    method: str
    path: str
    handler: Callable[[Call[B, Q]], Awaitable[Reply]]
    summary: str
    replies: Mapping[int, type[msgspec.Struct] | None]
    tag: str
    body: type[B] = NoBody  # type: ignore[assignment]  # the default of a generic field
    query: type[Q] = NoQuery  # type: ignore[assignment]  # as above
    problems: tuple[str, ...] = ()
    media_types: tuple[str, ...] = (JSON_TYPE,)
    body_forms: tuple[type[msgspec.Struct], ...] = ()
    """The forms that a body may have, where it has several, and those of the reply; for the document alone."""
    reply_forms: tuple[type[msgspec.Struct], ...] = ()
    description: str = ""
    needs_if_match: bool = False
    takes_idempotency_key: bool = False
    use: Use = Use.READ
    """What of a caller's limits it draws on."""
    seconds: float = HANDLER_SECONDS
    """How long the handler may take."""


AnyRoute = Route[Any, Any]


@dataclass(slots=True)
class _Node(Generic[EndpointT]):
    children: dict[str, _Node[EndpointT]] = field(default_factory=dict)
    parameter: tuple[str, _Node[EndpointT]] | None = None
    endpoints: dict[str, EndpointT] = field(default_factory=dict)


class PathTree(Generic[EndpointT]):
    """Finds an endpoint by path and method; what it costs follows the path's length, not the number of routes."""

    def __init__(self) -> None:
        """Begin without any."""
        self._root: _Node[EndpointT] = _Node()

    def add(self, method: str, path: str, endpoint: EndpointT) -> None:
        """Add an endpoint; a segment in braces is a parameter."""
        node = self._root
        for segment in path.split("/")[1:]:
            if segment.startswith("{"):
                if node.parameter is None:
                    node.parameter = (segment[1:-1], _Node())
                node = node.parameter[1]
            else:
                node = node.children.setdefault(segment, _Node())
        node.endpoints[method] = endpoint

    def find(self, method: str, path: str) -> tuple[EndpointT, dict[str, str]] | None:
        """Find the endpoint with its parameters; none if the path is unknown.

        Raises:
            MethodNotAllowedError: the path is known, with other methods.
            NotFoundError: a parameter is no UTF-8 or holds U+0000, so it names nothing.
        """
        node, params = self._root, {}
        for raw in path.split("/")[1:]:
            segment = _decode(raw) if "%" in raw or "\0" in raw else raw
            child = node.children.get(segment)
            if child is None:
                if node.parameter is None or not segment:
                    return None
                name, child = node.parameter
                params[name] = segment
            node = child
        if not node.endpoints:
            return None
        endpoint = node.endpoints.get("GET" if method == "HEAD" else method)
        if endpoint is None:
            raise MethodNotAllowedError(_allow(node.endpoints))
        return endpoint, params


def raw_path(scope: Scope) -> str:
    """Return the path as it was sent, without the query; some servers tell it decoded only."""
    raw: bytes | None = scope.get("raw_path")
    if raw is None:
        return quote(scope["path"], safe="/:@!$&'()*+,;=~")
    return raw.partition(b"?")[0].decode("latin-1")


def _decode(segment: str) -> str:
    try:
        decoded = unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise NotFoundError from None
    # Not every database can even be asked for it.
    if "\0" in decoded:
        raise NotFoundError
    return decoded


def _allow(endpoints: Mapping[str, object]) -> str:
    methods = {*endpoints, "HEAD"} if "GET" in endpoints else set(endpoints)
    return ", ".join(sorted(methods))
