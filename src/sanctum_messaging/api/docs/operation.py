"""One call of the API on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.api.docs.markup import Markup, render_text, tag
from sanctum_messaging.api.docs.schema import describe_constraints, describe_type

if TYPE_CHECKING:
    from sanctum_messaging.api.openapi.schemas import Json


def anchor(operation: Json) -> str:
    """Name an operation's place on the page."""
    return f"call-{operation['operationId']}"


def render_operation(path: str, method: str, operation: Json) -> Markup:
    """Render a call: what it takes, what it gives, how it may be refused."""
    title = tag("h3", tag("b", method.upper(), method) + " " + tag("code", path))
    about = tag("p", operation["summary"], "summary") + render_text(operation.get("description", ""))
    parts = [title, about, _parameters(operation.get("parameters", [])), _body(operation), _responses(operation)]
    return tag("article", Markup("".join(parts)), id=anchor(operation))


def _parameters(parameters: list[Json]) -> Markup:
    if not parameters:
        return Markup("")
    rows = [
        tag(
            "tr",
            tag("td", tag("code", each["name"]) + (Markup(" <i>needed</i>") if each["required"] else Markup("")))
            + tag("td", each["in"])
            + tag("td", describe_type(each["schema"]))
            + tag("td", render_text(each.get("description", "") or each["schema"].get("description", "")))
            + tag("td", describe_constraints(each["schema"])),
        )
        for each in parameters
    ]
    return tag("h4", "Parameters") + tag("table", Markup("".join(rows)))


def _body(operation: Json) -> Markup:
    if "requestBody" not in operation:
        return Markup("")
    content = operation["requestBody"]["content"]
    types = " or ".join(content)
    (schema, *_) = (each["schema"] for each in content.values())
    return tag("h4", "Body") + tag("p", describe_type(schema) + " as " + tag("code", types))


def _responses(operation: Json) -> Markup:
    rows = []
    for status, response in operation["responses"].items():
        (schema, *_) = [each["schema"] for each in response.get("content", {}).values()] or [None]
        given = describe_type(schema) if schema is not None else Markup("")
        headers = " ".join(response.get("headers", {}))
        rows.append(
            tag(
                "tr",
                tag("td", status, f"s{status[0]}")
                + tag("td", render_text(response["description"]))
                + tag("td", given)
                + tag("td", tag("code", headers) if headers else Markup("")),
            )
        )
    return tag("h4", "Answers") + tag("table", Markup("".join(rows)))
