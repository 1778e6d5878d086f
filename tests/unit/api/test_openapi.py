from __future__ import annotations

from html import escape
from typing import Any

import msgspec
import pytest

from sanctum_messaging.adapters.memory.limiter import LocalOnly, MemoryLimiter
from sanctum_messaging.api.docs.page import render_page
from sanctum_messaging.api.limit_headers import limit_headers
from sanctum_messaging.api.openapi.document import create_document
from sanctum_messaging.api.openapi.examples import EXAMPLES
from sanctum_messaging.api.openapi.scenes import SCENES
from sanctum_messaging.api.openapi.schemas import operation_id
from sanctum_messaging.api.routes import ROUTES
from sanctum_messaging.api.routing import AnyRoute
from sanctum_messaging.bootstrap.rate_limits import rate_limits_of
from sanctum_messaging.config import load_config
from sanctum_messaging.domain.limits import Use, Verdict
from sanctum_messaging.protocol import answers, frames, requests, resources
from sanctum_messaging.protocol.codes import ANY_REQUEST, PROBLEMS
from tests.acting import actor
from tests.conftest import HandClock
from tests.contract_document import CONTRACT, strict_schemas, validator

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
    components = DOCUMENT["components"]
    kinds = ("headers", "parameters", "responses", "schemas")
    known = {f"#/components/{kind}/{name}" for kind in kinds for name in components[kind]}
    used = {each["$ref"] for each in walk(DOCUMENT) if isinstance(each.get("$ref"), str)}
    assert used <= known
    # Nothing stands there unused either, but for what requests get that name no call.
    assert known - used <= {f"#/components/responses/{name}" for name in ("MethodNotAllowed", "NotFound")}


def test_every_example_fits_its_schema() -> None:
    schemas = strict_schemas(DOCUMENT)
    shown = [(each["schema"], example) for each in walk(DOCUMENT) if "schema" in each for example in examples_of(each)]
    shown += [(each, example) for each in schemas.values() for example in each.get("examples", ())]
    assert len(shown) > 100
    for schema, example in shown:
        error = next(validator(schema, schemas).iter_errors(example), None)
        assert error is None, f"{example}: {error}"


async def test_the_limits_are_shown_as_a_first_send_is_told_of_them(clock: HandClock) -> None:
    local = MemoryLimiter(clock)
    limits = rate_limits_of(load_config({}, dev=True), clock, limiter=LocalOnly(local), local=local)
    told: list[Verdict] = []
    await limits.take(Use.SEND, actor("ann"), "203.0.113.7", told.append)
    headers = DOCUMENT["components"]["headers"]
    shown = [headers[name]["example"].encode() for name in ("RateLimit-Policy", "RateLimit")]
    assert shown == [value for _, value in limit_headers(told[0])]


def examples_of(value: dict[str, Any]) -> list[Any]:
    return [
        *([value["example"]] if "example" in value else []),
        *(each["value"] for each in value.get("examples", {}).values()),
    ]


@pytest.mark.parametrize("route", ROUTES, ids=operation_id)
def test_every_call_is_explained_and_shown(route: AnyRoute) -> None:
    operation = DOCUMENT["paths"][route.path][route.method.lower()]
    assert route.summary
    assert route.description
    for parameter in operation["parameters"]:
        followed = CONTRACT.follow(parameter)
        assert followed["in"] != "path" or "example" in followed
    contents = list(operation.get("requestBody", {}).get("content", {}).values())
    for response in operation["responses"].values():
        contents += CONTRACT.follow(response).get("content", {}).values()
    assert all(content["examples"] for content in contents), "add a scene to api/openapi/scenes.py"


def test_every_type_has_an_example_that_fits() -> None:
    for name in DOCUMENT["components"]["schemas"]:
        assert name in EXAMPLES or name == "Problem", f"add an example of {name} to api/openapi/examples.py"
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
    told = codes_told(operation)
    assert {"unauthenticated", "act_as_not_allowed", "invalid", "rate_limited", *ANY_REQUEST, *route.problems} <= set(
        told
    )
    assert all(str(PROBLEMS[code].status) == status for code, status in told.items())
    names = [CONTRACT.follow(each)["name"] for each in operation["parameters"]]
    assert ("If-Match" in names) is (route.method in {"PATCH", "DELETE"} and "userId" not in names)
    assert ("if_match_required" in told) is ("If-Match" in names)
    assert ("not_found" in told) is ("{" in route.path or route.path == "/v1/messages")


def codes_told(operation: dict[str, Any]) -> dict[str, str]:
    """List the codes of an operation's problems, each with its status."""
    told = {}
    for status, response in operation["responses"].items():
        content = CONTRACT.follow(response).get("content", {}).get("application/problem+json")
        if content is not None:
            _, codes = content["schema"]["allOf"]
            assert list(content["examples"]) == codes["properties"]["code"]["enum"]
            told.update(dict.fromkeys(content["examples"], status))
    return told


def test_every_code_is_told_by_some_call() -> None:
    told = {
        code for path in DOCUMENT["paths"].values() for operation in path.values() for code in codes_told(operation)
    }
    on_the_socket = {"ack_ahead", "unknown_op", "unexpected_frame"}
    assert set(PROBLEMS) - told == {"method_not_allowed", *on_the_socket}


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


def test_the_page_shows_every_example_and_every_code() -> None:
    page = render_page(create_document(ROUTES), "")
    for scene in SCENES:
        assert scene.reply is None or escape(scene.summary) in page
    for path in DOCUMENT["paths"].values():
        for operation in path.values():
            _, _, article = page.partition(f'id="call-{operation["operationId"]}"')
            shown, _, _ = article.partition("</article>")
            assert all(f"<code>{code}</code>" in shown for code in codes_told(operation))
