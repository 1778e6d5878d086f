"""The parameters of a route: in its path, its query and its headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.api.idempotency import KEY_PATTERN
from sanctum_messaging.api.openapi.schemas import Json, query_schemas, type_schema
from sanctum_messaging.protocol.scalars import IdText, UserIdText

if TYPE_CHECKING:
    from sanctum_messaging.api.routing import AnyRoute

_ACT_AS = {
    "name": "Act-As",
    "in": "header",
    "required": False,
    "description": "With a service token: the user to act for.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^\u0000-\u001f\u007f-\u009f]+$"},
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The `ETag` of the version that the change was decided upon, or `*`.",
    "schema": {"type": "string", "pattern": r'^(\*|"v[1-9][0-9]{0,8}")$'},
    "example": '"v1"',
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Drawn by the client. A repeat of the call with the same key gets the first answer, for 24 hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": KEY_PATTERN},
}


def parameters_of(route: AnyRoute) -> list[Json]:
    """Describe the parameters that a route takes."""
    segments = [segment[1:-1] for segment in route.path.split("/") if segment.startswith("{")]
    parameters = [_in_path(name) for name in segments]
    parameters += [_in_query(name, schema) for name, schema in query_schemas(route.query).items()]
    if route.needs_if_match:
        parameters.append(_IF_MATCH)
    if route.takes_idempotency_key:
        parameters.append(_IDEMPOTENCY_KEY)
    return [*parameters, _ACT_AS]


def _in_path(name: str) -> Json:
    schema = type_schema(UserIdText if name == "userId" else IdText)
    return {"name": name, "in": "path", "required": True, "schema": {**schema, "minLength": 1}}


def _in_query(name: str, schema: Json) -> Json:
    described = {"description": schema["description"]} if "description" in schema else {}
    rest = {key: value for key, value in schema.items() if key != "description"}
    return {"name": name, "in": "query", "required": False, **described, "schema": rest}
