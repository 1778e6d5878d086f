"""The documents of the API stand in files, so that a change of them is seen in review, and a breaking one is named."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from docs.breaking import find_breaking
from docs.generate import DOCUMENTS

if TYPE_CHECKING:
    from collections.abc import Callable

DOCS = Path(__file__).parents[2] / "docs"
Json = dict[str, Any]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_file_is_what_the_code_says(name: str) -> None:
    kept, made = (DOCS / name).read_text("utf-8"), DOCUMENTS[name]()
    breaking = "".join(f"\n  breaking: {each}" for each in find_breaking(json.loads(kept), json.loads(made)))
    assert kept == made, f"run `make docs` and look at what changed in docs/{name}{breaking}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_breaks_nothing_of_itself(name: str) -> None:
    document = json.loads(DOCUMENTS[name]())
    assert find_breaking(document, deepcopy(document)) == []


def schema(name: str) -> Callable[[Json], Json]:
    def find(document: Json) -> Json:
        found: Json = document["components"]["schemas"][name]
        return found

    return find


def drop_path(document: Json) -> None:
    del document["paths"]["/v1/unread"]


def drop_status(document: Json) -> None:
    del document["paths"]["/v1/messages"]["post"]["responses"]["200"]


def drop_code(document: Json) -> None:
    responses = document["components"]["responses"]
    name = next(name for name in responses if name.startswith("ConflictOrMessageDeleted"))
    responses[name]["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]["code"]["enum"].pop()


def drop_field_of_answer(document: Json) -> None:
    message = schema("MessageResource")(document)
    del message["properties"]["replyTo"]
    message["required"].remove("replyTo")


def make_field_of_answer_optional(document: Json) -> None:
    schema("MessageResource")(document)["required"].remove("editedAt")


def make_field_of_answer_nullable(document: Json) -> None:
    seq = schema("MessageResource")(document)["properties"]["seq"]
    schema("MessageResource")(document)["properties"]["seq"] = {"anyOf": [seq, {"type": "null"}]}


def change_type(document: Json) -> None:
    schema("ReadResult")(document)["properties"]["readSeq"]["type"] = "string"


def drop_role(document: Json) -> None:
    schema("NewParticipant")(document)["properties"]["role"]["enum"].remove("observer")


def need_field(document: Json) -> None:
    schema("CreateConversation")(document)["required"].append("title")


def drop_field_of_request(document: Json) -> None:
    del schema("SendMessage")(document)["properties"]["replyTo"]


def take_less(document: Json) -> None:
    schema("SendMessage")(document)["properties"]["body"]["maxLength"] = 4_000


def need_parameter(document: Json) -> None:
    limit = document["paths"]["/v1/sync"]["get"]["parameters"][1]
    limit["required"] = True


def drop_header(document: Json) -> None:
    del document["paths"]["/v1/messages"]["post"]["responses"]["201"]["headers"]["ETag"]


def drop_media_type(document: Json) -> None:
    contents = document["paths"]["/v1/messages/{messageId}"]["patch"]["requestBody"]["content"]
    del contents["application/merge-patch+json"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (drop_path, "GET /v1/unread is gone"),
        (drop_status, "POST /v1/messages no longer answers 200"),
        (drop_code, "PATCH /v1/messages/{messageId} 409.code lost the value message_deleted"),
        (drop_field_of_answer, "GET /v1/messages/{messageId} 200.message lost the field replyTo"),
        (make_field_of_answer_optional, "GET /v1/messages/{messageId} 200.message may lack the field editedAt"),
        (make_field_of_answer_nullable, "GET /v1/messages/{messageId} 200.message.seq may now be null"),
        (change_type, "POST /v1/conversations/{conversationId}/read 200.readSeq may now be string"),
        (drop_role, "POST /v1/conversations, body.participants[].role lost the value observer"),
        (need_field, "POST /v1/conversations, body needs the field title"),
        (drop_field_of_request, "POST /v1/messages, body lost the field replyTo"),
        (take_less, "POST /v1/messages, body.body has a lower maxLength"),
        (need_parameter, "GET /v1/sync needs the parameter limit"),
        (drop_header, "POST /v1/messages 201 lost the header ETag"),
        (drop_media_type, "PATCH /v1/messages/{messageId} no longer takes application/merge-patch+json"),
    ],
)
def test_a_breaking_change_of_a_call_is_named(change: Callable[[Json], None], told: str) -> None:
    old = json.loads(DOCUMENTS["openapi.json"]())
    new = deepcopy(old)
    change(new)
    assert told in find_breaking(old, new)


def drop_frame(document: Json) -> None:
    del document["components"]["messages"]["server.resync"]


def drop_field_of_frame(document: Json) -> None:
    welcome = schema("Welcome")(document)
    del welcome["properties"]["resumed"]
    welcome["required"].remove("resumed")


def need_field_of_frame(document: Json) -> None:
    schema("Hello")(document)["required"].append("token")


def drop_close_code(document: Json) -> None:
    codes = document["channels"]["stream"]["x-close-codes"]
    codes[:] = [each for each in codes if each["code"] != 4504]


def refuse_otherwise(document: Json) -> None:
    document["operations"]["receive.ack"]["x-problem-codes"].remove("ack_ahead")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (drop_frame, "the frame server.resync is gone"),
        (drop_field_of_frame, "the frame server.welcome lost the field resumed"),
        (need_field_of_frame, "the frame client.hello needs the field token"),
        (drop_close_code, "the close code 4504 is gone, or asks for something else"),
        (refuse_otherwise, "receive.ack is no longer refused with ack_ahead"),
    ],
)
def test_a_breaking_change_of_the_socket_is_named(change: Callable[[Json], None], told: str) -> None:
    old = json.loads(DOCUMENTS["asyncapi.json"]())
    new = deepcopy(old)
    change(new)
    assert told in find_breaking(old, new)


def test_what_is_added_breaks_nobody() -> None:
    old = json.loads(DOCUMENTS["openapi.json"]())
    new = deepcopy(old)
    new["paths"]["/v1/new"] = new["paths"]["/v1/unread"]
    schema("MessageResource")(new)["properties"]["reactions"] = {"type": "array"}
    schema("SendMessage")(new)["properties"]["urgent"] = {"type": "boolean"}
    schema("SendMessage")(new)["properties"]["body"]["maxLength"] = 16_000
    new["paths"]["/v1/unread"]["get"]["responses"]["418"] = {"description": "A teapot."}
    assert find_breaking(old, new) == []
