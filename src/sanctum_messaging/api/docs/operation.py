"""One call of the API on the page."""

from __future__ import annotations

import json
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
            + tag("td", describe_constraints(each["schema"]) + _for_example(each)),
        )
        for each in parameters
    ]
    return tag("h4", "Parameters") + tag("table", Markup("".join(rows)))


def _for_example(parameter: Json) -> Markup:
    if "example" not in parameter:
        return Markup("")
    return Markup(" ") + tag("span", Markup("e.g. ") + tag("code", str(parameter["example"])), "bounds")


def _body(operation: Json) -> Markup:
    if "requestBody" not in operation:
        return Markup("")
    contents = operation["requestBody"]["content"]
    types = " or ".join(contents)
    (content, *_) = contents.values()
    about = tag("p", describe_type(content["schema"]) + " as " + tag("code", types))
    return tag("h4", "Body") + about + _examples(content)


def _responses(operation: Json) -> Markup:
    rows = [_response(status, response) for status, response in operation["responses"].items()]
    return tag("h4", "Answers") + tag("table", Markup("".join(rows)))


def _response(status: str, response: Json) -> Markup:
    content: Json = next(iter(response.get("content", {}).values()), {})
    headers = Markup(" ").join(tag("code", name) for name in response["headers"] if name != "X-Request-Id")
    return tag(
        "tr",
        tag("td", status, f"s{status[0]}")
        + tag("td", render_text(response["description"]) + _examples(content))
        + tag("td", _given(content))
        + tag("td", Markup(headers)),
    )


def _given(content: Json) -> Markup:
    """Say of what type an answer is; one that says several things at once says first what it is."""
    match content:
        case {"schema": {"allOf": [first, *_]}}:
            return describe_type(first)
        case {"schema": schema}:
            return describe_type(schema)
        case _:
            return Markup("")


def _examples(content: Json) -> Markup:
    """Show each example, folded."""
    folded = [
        tag("details", tag("summary", each.get("summary", name)) + tag("pre", json.dumps(each["value"], indent=2)))
        for name, each in content.get("examples", {}).items()
    ]
    return Markup("".join(folded))
