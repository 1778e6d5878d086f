"""The parameters of a route: in its path, its query and its headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.api.idempotency import KEY_PATTERN
from sanctum_messaging.api.openapi.responses import scenes_of
from sanctum_messaging.api.openapi.schemas import Json, query_schemas, type_schema
from sanctum_messaging.api.openapi.story import CONVERSATION_ID, MESSAGE_ID
from sanctum_messaging.protocol.scalars import IdText, UserIdText

if TYPE_CHECKING:
    from sanctum_messaging.api.routing import AnyRoute

_PATHS = {
    "conversationId": (IdText, CONVERSATION_ID),
    "messageId": (IdText, MESSAGE_ID),
    "userId": (UserIdText, "bob"),
}
"""Each parameter of a path, with its type and an example."""

PARAMETERS: Json = {
    "ActAs": {
        "name": "Act-As",
        "in": "header",
        "required": False,
        "description": "With a service token: the user to act for.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^\u0000-\u001f\u007f-\u009f]+$"},
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": (
            "Drawn by the client. A repeat of the call with the same key gets the first answer, for 24 hours."
        ),
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": KEY_PATTERN},
        "example": "lunch-of-november-22",
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "required": True,
        "description": "The `ETag` of the version that the change was decided upon, or `*`.",
        "schema": {"type": "string", "pattern": r'^(\*|"v[1-9][0-9]{0,8}")$'},
        "example": '"v1"',
    },
}
"""Those that several routes take, as components of the document."""


def parameters_of(route: AnyRoute) -> list[Json]:
    """Describe the parameters that a route takes."""
    segments = [segment[1:-1] for segment in route.path.split("/") if segment.startswith("{")]
    parameters = [_in_path(name) for name in segments]
    parameters += [_in_query(route, name, schema) for name, schema in query_schemas(route.query).items()]
    if route.needs_if_match:
        parameters.append(_shared("IfMatch"))
    if route.takes_idempotency_key:
        parameters.append(_shared("IdempotencyKey"))
    return [*parameters, _shared("ActAs")]


def _shared(name: str) -> Json:
    return {"$ref": f"#/components/parameters/{name}"}


def _in_path(name: str) -> Json:
    wanted, example = _PATHS[name]
    schema = {**type_schema(wanted), "minLength": 1}
    description = schema.pop("description")
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": schema,
        "example": example,
    }


def _in_query(route: AnyRoute, name: str, schema: Json) -> Json:
    parameter: Json = {"name": name, "in": "query", "required": False}
    if "description" in schema:
        parameter["description"] = schema["description"]
    parameter["schema"] = {key: value for key, value in schema.items() if key != "description"}
    examples = [scene.query[name] for scene in scenes_of(route) if name in scene.query]
    return {**parameter, "example": examples[0]} if examples else parameter
