"""Bodies that make no sense, and what they get."""

from __future__ import annotations

import json

import pytest

from tests.integration.calling import Api, Caller, message, refused

CONVERSATIONS, MESSAGES = "/v1/conversations", "/v1/messages"


class TestMalformedJson:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"hello",
            b"{'a': 1}",
            b'{"a": 1,}',
            b'{"a": 1} 2',
            b'{"body": NaN}',
            b'{"body": "\xff"}',
            b"\xef\xbb\xbf{}",
            b'\xff\xfe{\x00"\x00',
            b'{"body": "\x01"}',
            b"[" * 50_000,
            b'{"metadata": ' + b"[" * 50_000,
            b'{"seq": 1' + b"0" * 5_000 + b"}",
            b'{"metadata": {"a": "\xff"}}',
        ],
    )
    async def test_is_no_json(self, ann: Caller, group: str, body: bytes) -> None:
        refused(await ann.post(MESSAGES, body), 400, "malformed_json")

    async def test_in_metadata_too(self, ann: Caller, group: str) -> None:
        body = message(group)[:-1] + b', "metadata": {"a": "\xff"}}'
        refused(await ann.post(MESSAGES, body), 400, "malformed_json")


class TestFields:
    @pytest.mark.parametrize(
        ("fields", "faults"),
        [
            ({"seq": 1}, ["seq unknown"]),
            ({"senderId": "bob", "id": "x"}, ["senderId unknown", "id unknown"]),
            ({"body": ...}, ["body missing"]),
            ({"body": None}, ["body type"]),
            ({"body": 1, "clientMessageId": ...}, ["clientMessageId missing", "body type"]),
            ({"body": ""}, ["body too_short"]),
            ({"body": "x" * 8_001}, ["body too_long"]),
            ({"body": "a\x00b"}, ["body nul"]),
            ({"body": "\ud800"}, ["body lone_surrogate"]),
            ({"clientMessageId": ""}, ["clientMessageId too_short"]),
            ({"clientMessageId": "x" * 65}, ["clientMessageId too_long"]),
            ({"clientMessageId": "a b"}, ["clientMessageId pattern"]),
            ({"clientMessageId": "ab\n"}, ["clientMessageId pattern"]),
            ({"type": "TEXT"}, ["type pattern"]),
            ({"type": 1}, ["type type"]),
            ({"conversationId": "x" * 65}, ["conversationId too_long"]),
            ({"conversationId": "\x00"}, ["conversationId nul"]),
            ({"replyTo": 7}, ["replyTo type"]),
            ({"replyTo": "unknown"}, ["replyTo not_found"]),
            ({"metadata": []}, ["metadata type"]),
            ({"metadata": None}, ["metadata type"]),
            ({"metadata": "{}"}, ["metadata type"]),
            ({"metadata": {"a": "x" * 4_096}}, ["metadata too_long"]),
            ({"metadata": json.loads('{"a":' * 9 + "1" + "}" * 9)}, ["metadata too_deep"]),
            ({"metadata": {"a": ["\x00"]}}, ["metadata.a[0] nul"]),
            ({"metadata": {"a\x00": 1}}, ["metadata nul"]),
            ({"metadata": {"a": {"b": "\udfff"}}}, ["metadata.a.b lone_surrogate"]),
            ({"\ud800": 1}, ["? unknown"]),
        ],
    )
    async def test_of_a_message_are_named(
        self, ann: Caller, group: str, fields: dict[str, object], faults: list[str]
    ) -> None:
        refused(await ann.post(MESSAGES, message(group, **fields)), 422, "invalid", *faults)

    @pytest.mark.parametrize(
        ("body", "faults"),
        [
            ({}, ["kind missing", "participants missing"]),
            ({"kind": "channel", "participants": []}, ["kind not_allowed"]),
            ({"kind": "group", "participants": {}}, ["participants type"]),
            ({"kind": "group", "participants": [{"userId": "x"}] * 501}, ["participants too_long"]),
            (
                {"kind": "group", "participants": [{"userId": "x", "role": "boss"}]},
                ["participants[0].role not_allowed"],
            ),
            ({"kind": "group", "participants": ["bob"]}, ["participants[0] type"]),
            ({"kind": "group", "participants": [{"userId": ""}]}, ["participants[0].userId too_short"]),
            ({"kind": "group", "participants": [{"userId": "x" * 256}]}, ["participants[0].userId too_long"]),
            ({"kind": "group", "participants": [{"userId": "a\nb"}]}, ["participants[0].userId pattern"]),
            ({"kind": "group", "participants": [{"userId": "x"}] * 2}, ["participants[1].userId duplicate"]),
            ({"kind": "group", "participants": [{"userId": "ann"}]}, ["participants[0].userId oneself"]),
            ({"kind": "direct", "participants": []}, ["participants too_short"]),
            ({"kind": "direct", "participants": [{"userId": "x"}, {"userId": "y"}]}, ["participants too_long"]),
            ({"kind": "group", "participants": [], "title": "x" * 201}, ["title too_long"]),
            ({"kind": "group", "participants": [], "historyVisibility": "none"}, ["historyVisibility not_allowed"]),
            ({"kind": "group", "participants": [], "tenant": "x"}, ["tenant unknown"]),
        ],
    )
    async def test_of_a_conversation_are_named(self, ann: Caller, body: dict[str, object], faults: list[str]) -> None:
        refused(await ann.post(CONVERSATIONS, body), 422, "invalid", *faults)

    @pytest.mark.parametrize(
        ("body", "faults"),
        [
            ({}, ["userId missing"]),
            ({"participants": []}, ["participants too_short"]),
            ({"userId": "dan", "participants": [{"userId": "eve"}]}, ["userId unexpected"]),
            ({"role": "admin", "participants": [{"userId": "eve"}]}, ["role unexpected"]),
            ({"participants": [{"userId": "eve"}] * 2}, ["participants[1].userId duplicate"]),
            ({"userId": "dan", "joinedAt": "now"}, ["joinedAt unknown"]),
        ],
    )
    async def test_of_participants_are_named(
        self, ann: Caller, group: str, body: dict[str, object], faults: list[str]
    ) -> None:
        refused(await ann.post(f"{CONVERSATIONS}/{group}/participants", body), 422, "invalid", *faults)

    @pytest.mark.parametrize(
        ("path", "body", "faults"),
        [
            ("", {"historyVisibility": None}, ["historyVisibility type"]),
            ("", {"metadata": 5}, ["metadata type"]),
            ("", {"kind": "direct"}, ["kind unknown"]),
            ("/participants/bob", {"role": "boss"}, ["role not_allowed"]),
            ("/participants/ann", {"muted": 1}, ["muted type"]),
            ("/participants/ann", {"leftAt": None}, ["leftAt unknown"]),
        ],
    )
    async def test_of_a_patch_are_named(
        self, ann: Caller, group: str, path: str, body: dict[str, object], faults: list[str]
    ) -> None:
        response = await ann.patch(f"{CONVERSATIONS}/{group}{path}", body, match='"v1"')
        refused(response, 422, "invalid", *faults)

    @pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null", b"true"])
    async def test_need_an_object_around_them(self, ann: Caller, group: str, body: bytes) -> None:
        refused(await ann.post(MESSAGES, body), 422, "invalid", " type")
        refused(await ann.patch(f"{CONVERSATIONS}/{group}", body, match="*"), 422, "invalid", " type")

    @pytest.mark.parametrize(
        ("seq", "fault"),
        [("1", "type"), (1.5, "type"), (True, "type"), (-1, "too_small"), (2**53, "too_large"), (None, "type")],
    )
    async def test_that_are_numbers_are_bounded(self, ann: Caller, group: str, seq: object, fault: str) -> None:
        response = await ann.post(f"{CONVERSATIONS}/{group}/read", {"seq": seq})
        refused(response, 422, "invalid", f"seq {fault}")

    async def test_a_seq_above_the_last_is_refused(self, ann: Caller, group: str) -> None:
        refused(await ann.post(f"{CONVERSATIONS}/{group}/read", {"seq": 2}), 422, "seq_out_of_range", "seq too_large")

    async def test_an_escaped_backslash_is_no_nul(self, api: Api, ann: Caller, group: str) -> None:
        body = {"conversationId": group, "clientMessageId": "c1", "body": "\\u0000"}
        assert b"\\\\u0000" in json.dumps(body).encode()
        refused(await api.user("zoe").post(MESSAGES, body), 404, "not_found")
