from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sanctum_messaging.api.docs.page import render_page
from sanctum_messaging.api.openapi.document import create_document
from sanctum_messaging.api.openapi.examples import EXAMPLES
from sanctum_messaging.api.openapi.schemas import operation_id
from sanctum_messaging.api.routes import ROUTES
from sanctum_messaging.api.routing import AnyRoute
from sanctum_messaging.protocol import answers, frames, requests, resources
from sanctum_messaging.protocol.codes import PROBLEMS

DOCUMENT = create_document(ROUTES)


def walk(value: object) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [each for item in value for each in walk(item)]
    if isinstance(value, dict):
        return [value, *(each for item in value.values() for each in walk(item))]
    return []


def type_named(name: str) -> type[msgspec.Struct]:
    for module in (requests, answers, resources):
        if hasattr(module, name):
            found: type[msgspec.Struct] = getattr(module, name)
            return found
    raise LookupError(name)


def test_every_reference_leads_somewhere() -> None:
    known = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    used = {each["$ref"] for each in walk(DOCUMENT) if "$ref" in each}
    assert used <= known
    # Nothing stands there unused either, but for what only examples and links of the page speak of.
    assert known - used <= {"#/components/schemas/EventResource"}


def test_every_schema_of_a_body_or_answer_has_an_example_that_fits() -> None:
    for route in ROUTES:
        for each in [*route.body_forms, *route.reply_forms, *(reply for reply in route.replies.values() if reply)]:
            assert each.__name__ in EXAMPLES
    for name, example in EXAMPLES.items():
        msgspec.json.decode(msgspec.json.encode(example), type=type_named(name))


def test_the_event_is_the_frame_of_the_socket() -> None:
    """It is written down twice, since msgspec can't tell apart what an event's data may be."""
    frame = {"op", *(each.encode_name for each in msgspec.structs.fields(frames.EventFrame))}
    assert {each.encode_name for each in msgspec.structs.fields(answers.EventResource)} == frame
    assert set(EXAMPLES["EventResource"]) == frame


def test_operations_are_named_once_and_links_lead_to_them() -> None:
    operations = [operation for path in DOCUMENT["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    assert {operation_id(route) for route in ROUTES} <= set(names)
    for operation in operations:
        for response in operation["responses"].values():
            for link in response.get("links", {}).values():
                assert link["operationId"] in names


@pytest.mark.parametrize("route", ROUTES, ids=operation_id)
def test_every_call_tells_how_it_may_be_refused(route: AnyRoute) -> None:
    operation = DOCUMENT["paths"][route.path][route.method.lower()]
    assert set(route.problems) <= set(PROBLEMS)
    told = {
        code
        for response in operation["responses"].values()
        for content in response.get("content", {}).values()
        for code in content.get("examples", {})
    }
    assert {"unauthenticated", "act_as_not_allowed", "invalid", "internal", *route.problems} <= told
    for code in told:
        assert str(PROBLEMS[code].status) in operation["responses"]
    names = [each["name"] for each in operation["parameters"]]
    assert ("If-Match" in names) is (route.method in {"PATCH", "DELETE"} and "userId" not in names)
    assert all(f"{{{each['name']}}}" in route.path for each in operation["parameters"] if each["in"] == "path")


def test_probes_need_no_token() -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert DOCUMENT["paths"][path]["get"]["security"] == []
    assert DOCUMENT["security"] == [{"accessToken": []}]


def test_a_field_called_title_is_there() -> None:
    """Titles that msgspec makes of class names are dropped; a field of that name isn't one."""
    assert "title" in DOCUMENT["components"]["schemas"]["CreateConversation"]["properties"]
    assert not [each for each in walk(DOCUMENT["components"]) if isinstance(each.get("title"), str) and "$ref" in each]


def test_the_page_escapes_what_it_shows() -> None:
    document = create_document(ROUTES)
    document["info"]["title"] = "<script>alert(1)</script>"
    document["paths"]["/<b>"] = document["paths"].pop("/v1/unread")
    page = render_page(document, "")
    assert "<script" not in page
    assert "/<b>" not in page
