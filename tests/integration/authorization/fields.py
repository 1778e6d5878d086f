"""Values made from the types of the wire, and the names of all fields that the service ever says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import inspect

from sanctum_messaging.protocol.frames import ServerFrame
from sanctum_messaging.protocol.resources import Resource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from msgspec import Struct

    from tests.integration.calling import Json

CHUNK = 20
"""As many unknown fields as a refusal names."""
COVETED = (
    *("role", "seq", "senderId", "createdAt", "tenant", "id", "version", "deletedAt", "editedAt", "deviceId"),
    *(
        "readSeq",
        "service",
        "admin",
        "scopes",
        "sub",
        "actorId",
        "conversation_id",
        "sender_id",
        "isAdmin",
        "__proto__",
    ),
)
"""What somebody might like to set, whether or not anything has such a field."""


_SCALARS = {inspect.BoolType: True, inspect.IntType: 1, inspect.StrType: "x", inspect.RawType: {}}


def example_of(wanted: type[Struct]) -> Json:
    """Make a value of a type with all its fields, also those that may be absent."""
    value: Json = _example(inspect.type_info(wanted))
    return value


def objects_in(wanted: type[Struct], value: Json) -> Iterator[tuple[str, Json, frozenset[str]]]:
    """List each object in an example: its path as a refusal writes it, itself, and the fields that it may have."""
    yield from _walk(inspect.type_info(wanted), value, "")


def foreign_fields(known: frozenset[str]) -> Iterator[Sequence[str]]:
    """List the fields that something else has, or that are coveted, but for those known here; so many at a time."""
    names = sorted(_SAID - known)
    for start in range(0, len(names), CHUNK):
        yield names[start : start + CHUNK]


def query_fields(wanted: type[Struct]) -> frozenset[str]:
    """Name the parameters that a query may have."""
    return frozenset(wanted.__struct_encode_fields__)


def _example(wanted: inspect.Type) -> Any:  # noqa: ANN401 - any JSON
    match wanted:
        case inspect.StructType():
            tag = {} if wanted.tag_field is None else {wanted.tag_field: wanted.tag}
            return tag | {each.encode_name: _example(each.type) for each in wanted.fields}
        case inspect.Metadata():
            return _example(wanted.type)
        case inspect.UnionType():
            return _example(_known_of(wanted))
        case inspect.ListType():
            return [_example(wanted.item_type)]
        case inspect.LiteralType():
            return wanted.values[0]
        case _:
            return _SCALARS[type(wanted)]


def _walk(wanted: inspect.Type, value: Any, path: str) -> Iterator[tuple[str, Json, frozenset[str]]]:  # noqa: ANN401 - any JSON
    match wanted:
        case inspect.StructType():
            known = {each.encode_name: each.type for each in wanted.fields}
            yield path, value, frozenset(known) | {wanted.tag_field or ""}
            for name, inner in known.items():
                yield from _walk(inner, value[name], f"{path}{name}.")
        case inspect.Metadata():
            yield from _walk(wanted.type, value, path)
        case inspect.UnionType():
            yield from _walk(_known_of(wanted), value, path)
        case inspect.ListType():
            yield from _walk(wanted.item_type, value[0], f"{path.removesuffix('.')}[0].")


def _known_of(union: inspect.UnionType) -> inspect.Type:
    return next(each for each in union.types if not isinstance(each, inspect.NoneType))


def _said_by(root: type[Struct]) -> Iterator[str]:
    for each in root.__subclasses__():
        yield from each.__struct_encode_fields__
        yield from _said_by(each)


_SAID = frozenset({*_said_by(Resource), *_said_by(ServerFrame), *COVETED})
