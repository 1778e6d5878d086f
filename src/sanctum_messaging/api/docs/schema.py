"""JSON Schemas on the page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sanctum_messaging.api.docs.markup import Markup, render_text, tag

if TYPE_CHECKING:
    from sanctum_messaging.api.openapi.schemas import Json

_BOUNDS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "matches {}",
    "default": "default {}",
}


def render_schema(name: str, schema: Json) -> Markup:
    """Render an object's fields, and an example of it."""
    required = schema.get("required", [])
    rows = [
        tag(
            "tr",
            tag("td", tag("code", field) + (Markup(" <i>needed</i>") if field in required else Markup("")))
            + tag("td", describe_type(each))
            + tag("td", render_text(each.get("description", "")))
            + tag("td", describe_constraints(each)),
        )
        for field, each in schema.get("properties", {}).items()
    ]
    about = tag("h3", name) + render_text(schema.get("description", ""))
    return tag("article", about + tag("table", Markup("".join(rows))) + _example(schema), id=f"schema-{name}")


def describe_type(schema: Json) -> Markup:
    """Say of what type a value is; a named type is a link to it."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return tag("a", name, href=f"#schema-{name}")
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return Markup(" or ".join(describe_type(each) for each in schema[choice]))
    if "enum" in schema:
        return Markup(" ".join(tag("code", str(value)) for value in schema["enum"]))
    if "const" in schema:
        return tag("code", str(schema["const"]))
    if schema.get("type") == "array":
        return Markup("list of ") + describe_type(schema["items"])
    kind = schema.get("type", "any")
    return tag("span", " or ".join(kind) if isinstance(kind, list) else kind)


def describe_constraints(schema: Json) -> Markup:
    """Say what bounds a value has, those of its alternatives included."""
    said = [bound.format(schema[name]) for name, bound in _BOUNDS.items() if name in schema]
    for each in schema.get("anyOf", []):
        said += [bound.format(each[name]) for name, bound in _BOUNDS.items() if name in each]
    return tag("span", ", ".join(said), "bounds")


def _example(schema: Json) -> Markup:
    if "examples" not in schema:
        return Markup("")
    text = json.dumps(schema["examples"][0], indent=2)
    return tag("details", tag("summary", "Example") + tag("pre", text))
