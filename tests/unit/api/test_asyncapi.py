from __future__ import annotations

import json
from typing import Any, get_args

import msgspec
import pytest

from sanctum_messaging.api.asyncapi.document import create_document
from sanctum_messaging.api.asyncapi.frames import Frame, client_frames, server_frames
from sanctum_messaging.api.asyncapi.handshake import REFUSALS
from sanctum_messaging.protocol.codec import decode_frame
from sanctum_messaging.protocol.codes import PROBLEMS, CloseCode, client_reconnects
from sanctum_messaging.protocol.frames import AnyClientFrame, AnyServerFrame
from tests.contract_document import strict_schemas, validator

DOCUMENT = create_document()
CHANNEL = DOCUMENT["channels"]["stream"]
FRAMES = (*client_frames(), *server_frames())


def named(frame: Frame) -> str:
    return frame.kind.__name__


def references(value: object) -> list[str]:
    if isinstance(value, list):
        return [each for item in value for each in references(item)]
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return [*own, *(each for item in value.values() for each in references(item))]
    return []


def found(reference: str) -> Any:  # noqa: ANN401 - any part of the document
    value: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        value = value[step]
    return value


def test_it_has_the_form_of_asyncapi_3() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    fields = {"asyncapi", "info", "defaultContentType", "servers", "channels", "operations", "components"}
    assert set(DOCUMENT) == fields
    assert set(DOCUMENT["info"]) == {"title", "version", "description", "license"}
    for server in DOCUMENT["servers"].values():
        assert {"host", "protocol"} <= set(server) <= {"host", "protocol", "description", "variables", "security"}
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in {"send", "receive"}
        assert {"action", "channel"} <= set(operation)
        # Messages of an operation are those of its channel, by a reference to the channel and not to the components.
        listed = [*operation["messages"], *operation.get("reply", {}).get("messages", ())]
        assert all(each["$ref"].startswith("#/channels/stream/messages/") for each in listed)
    for message in DOCUMENT["components"]["messages"].values():
        assert set(message) == {"name", "title", "summary", "payload", "examples"}


def test_every_reference_leads_somewhere_and_nothing_is_unused() -> None:
    used = set(references(DOCUMENT))
    assert all(found(each) for each in used)
    for kind in ("messages", "schemas", "securitySchemes"):
        assert {f"#/components/{kind}/{name}" for name in DOCUMENT["components"][kind]} <= used


def test_every_frame_and_every_close_code_is_there() -> None:
    kinds = {*get_args(AnyClientFrame), *get_args(AnyServerFrame)}
    assert {frame.kind for frame in FRAMES} == kinds
    assert len(CHANNEL["messages"]) == len(DOCUMENT["components"]["messages"]) == len(kinds)
    closes = {each["code"]: each["reconnects"] for each in CHANNEL["x-close-codes"]}
    assert closes == {int(code): client_reconnects(code) for code in CloseCode}


def test_each_frame_is_received_or_sent_by_an_operation() -> None:
    told = {each for operation in DOCUMENT["operations"].values() for each in references(operation)}
    assert {f"#/channels/stream/messages/{name}" for name in CHANNEL["messages"]} <= told


@pytest.mark.parametrize("frame", FRAMES, ids=named)
def test_a_frame_is_described_as_it_is(frame: Frame) -> None:
    """Two are written down twice, since msgspec can't tell apart what they may hold."""
    schema = DOCUMENT["components"]["schemas"][frame.described.__name__]
    fields = {each.encode_name for each in msgspec.structs.fields(frame.kind)}
    assert set(schema["properties"]) == {"op", *fields}
    assert "op" in schema["required"]
    assert schema["description"]


@pytest.mark.parametrize("frame", FRAMES, ids=named)
def test_the_example_of_a_frame_fits(frame: Frame) -> None:
    name = frame.described.__name__
    check = validator({"$ref": f"#/components/schemas/{name}"}, strict_schemas(DOCUMENT))
    assert next(check.iter_errors(frame.example), None) is None


@pytest.mark.parametrize("frame", client_frames(), ids=named)
def test_the_example_of_a_clients_frame_is_taken(frame: Frame) -> None:
    assert isinstance(decode_frame(json.dumps(frame.example)), frame.kind)
    assert set(frame.problems) <= set(PROBLEMS)


def test_how_a_caller_is_proved_is_told() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]
    assert [each["type"] for each in schemes.values()] == ["http", "httpApiKey"]
    assert "`hello`" in CHANNEL["description"]
    assert {"unauthenticated", "origin_not_allowed", "act_as_not_allowed"} <= set(REFUSALS)
