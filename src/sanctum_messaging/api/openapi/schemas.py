"""JSON Schemas of the wire's types, as components of the document."""

from __future__ import annotations

from inspect import cleandoc
from typing import TYPE_CHECKING, Any

import msgspec

from sanctum_messaging.api.openapi.examples import EXAMPLES
from sanctum_messaging.api.routing import NoBody
from sanctum_messaging.protocol.answers import EventResource, HealthResult, ReadinessResult
from sanctum_messaging.protocol.resources import ConversationData, MessageData, ParticipantData, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sanctum_messaging.api.routing import AnyRoute

Json = dict[str, Any]

_ALWAYS = (Problem, HealthResult, ReadinessResult, EventResource, ConversationData, MessageData, ParticipantData)
_REF = "#/components/schemas/{name}"


def component_schemas(routes: Iterable[AnyRoute]) -> Json:
    """Make the schemas of everything that the routes take and give."""
    types: dict[type[msgspec.Struct], None] = dict.fromkeys(_ALWAYS)
    for route in routes:
        bodies = route.body_forms or (route.body,)
        types.update(dict.fromkeys(each for each in bodies if each is not NoBody))
        types.update(dict.fromkeys(each for each in route.replies.values() if each is not None))
        types.update(dict.fromkeys(route.reply_forms))
    return schemas_of(types)


def schemas_of(types: Iterable[type[msgspec.Struct]]) -> Json:
    """Make the schemas of types and of all that they are made of, by name, each with its example."""
    _, components = msgspec.json.schema_components(types, ref_template=_REF)
    for name, schema in components.items():
        _tidy(schema)
        if name in EXAMPLES:
            schema["examples"] = [EXAMPLES[name]]
    return dict(sorted(components.items()))


def query_schemas(query: type[msgspec.Struct]) -> Json:
    """Make the schemas of a query's parameters, by name."""
    _, components = msgspec.json.schema_components((query,), ref_template=_REF)
    schema = components[query.__name__]
    _tidy(schema)
    properties: Json = schema["properties"]
    return properties


def type_schema(wanted: object) -> Json:
    """Make the schema of a scalar type."""
    return msgspec.json.schema(wanted)


def reference(*types: type[msgspec.Struct]) -> Json:
    """Point to a type's schema, or to those of which a value fits one."""
    references = [{"$ref": _REF.format(name=each.__name__)} for each in types]
    return references[0] if len(references) == 1 else {"oneOf": references}


def operation_id(route: AnyRoute) -> str:
    """Name an operation as generated clients will."""
    first, *rest = route.handler.__name__.split("_")
    return first + "".join(each.capitalize() for each in rest)


def plain(docstring: str) -> str:
    """Turn a docstring into text for readers: unindented, with code in single backticks as Markdown has it."""
    return cleandoc(docstring).replace("``", "`")


def _tidy(schema: Any) -> None:  # noqa: ANN401 - JSON has no narrower type
    if isinstance(schema, list):
        for each in schema:
            _tidy(each)
    elif isinstance(schema, dict):
        if isinstance(schema.get("title"), str):
            # Generated from the class; a field of that name has a schema here instead.
            del schema["title"]
        if isinstance(schema.get("description"), str):
            schema["description"] = plain(schema["description"])
        for each in schema.values():
            _tidy(each)
