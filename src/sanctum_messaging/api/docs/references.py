"""What the document says once and refers to from many places, put where it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sanctum_messaging.api.openapi.schemas import Json

_FOLLOWED = ("headers", "parameters", "responses")
"""Schemas are left as references: the page shows each once and links to it."""


def follow_references(document: Json) -> Json:
    """Return the document with its shared answers, parameters and headers in place."""
    components = document["components"]
    known = {f"#/components/{kind}/{name}": each for kind in _FOLLOWED for name, each in components[kind].items()}
    return {**document, "paths": _follow(document["paths"], known)}


def _follow(value: Any, known: Json) -> Any:  # noqa: ANN401 - JSON has no narrower type
    match value:
        case {"$ref": str(reference)} if reference in known:
            return _follow(known[reference], known)
        case dict():
            return {key: _follow(each, known) for key, each in value.items()}
        case list():
            return [_follow(each, known) for each in value]
        case _:
            return value
