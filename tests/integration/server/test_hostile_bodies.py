"""Documents that have crashed others, and what they get here: a refusal that names the fault, and never a 500."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.server.wire import HOST

if TYPE_CHECKING:
    from tests.integration.server.wire import Wire

ID = b'"conversationId":"0199b3a0-0000-7000-8000-000000000000","clientMessageId":"c1"'
DEEP = 30_000

BODIES = {
    "nested_arrays": (b"[" * DEEP + b"]" * DEEP, 400),
    "nested_objects": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 400),
    "nested_metadata": (b"{" + ID + b',"body":"x","metadata":' + b'{"a":' * 17 + b"1" + b"}" * 17 + b"}", 422),
    "nested_unknown_field": (b"{" + ID + b',"body":"x","x":' + b"[" * 17 + b"]" * 17 + b"}", 422),
    "nested_in_a_known_field": (b"{" + ID + b',"body":' + b"[" * 200 + b"]" * 200 + b"}", 422),
    "unclosed": (b"[" * DEEP, 400),
    "nan": (b"{" + ID + b',"body":NaN}', 400),
    "infinity": (b"{" + ID + b',"body":"x","metadata":{"a":Infinity}}', 400),
    "number_beyond_a_double": (b"{" + ID + b',"body":"x","metadata":{"a":1e999}}', 422),
    "number_of_many_digits": (b"{" + ID + b',"body":' + b"9" * 60_000 + b"}", 400),
    "lone_surrogate": (b"{" + ID + b',"body":"\\ud800"}', 422),
    "lone_surrogate_in_a_name": (b"{" + ID + b',"body":"x","metadata":{"\\udc00":1}}', 422),
    "nul": (b"{" + ID + b',"body":"a\\u0000b"}', 422),
    "nul_in_metadata": (b"{" + ID + b',"body":"x","metadata":{"a":"\\u0000"}}', 422),
    "byte_order_mark": (b"\xef\xbb\xbf{" + ID + b',"body":"x"}', 400),
    "utf_16": (('{"body":"x"}').encode("utf-16"), 400),
    "invalid_utf_8": (b"{" + ID + b',"body":"\xff"}', 400),
    "overlong_utf_8": (b"{" + ID + b',"body":"\xc0\xaf"}', 400),
    "surrogate_in_utf_8": (b"{" + ID + b',"body":"\xed\xa0\x80"}', 400),
    "two_documents": (b"{}{}", 400),
    "nothing": (b"", 400),
    "operator_for_a_text": (b'{"conversationId":{"$ne":null},"clientMessageId":"c1","body":"x"}', 422),
    "list_for_a_text": (b'{"conversationId":["a"],"clientMessageId":"c1","body":"x"}', 422),
}
"""With the status that each gets."""


@pytest.mark.parametrize("kind", BODIES)
def test_s_d8_is_refused_and_the_service_lives_on(wire: Wire, kind: str) -> None:
    body, status = BODIES[kind]
    head = b"POST /v1/messages HTTP/1.1\r\n" + HOST + wire.authorization() + b"Content-Type: application/json\r\n"
    answer = wire.ask(head + b"Content-Length: %d\r\n" % len(body), body)
    assert (answer.status, answer.problem["status"]) == (status, status), answer.body
    assert wire.ask(b"GET /healthz HTTP/1.1\r\n" + HOST).status == 200


@pytest.mark.parametrize("body", [b'{"seq":-1,"seq":1}', b'{"seq":1,"seq":-1}', b'{"seq":1,"seq":2}'])
def test_s_d8_a_field_given_twice_is_no_fault_of_ours(wire: Wire, body: bytes) -> None:
    """There is one reader of a body here, so nobody else can have seen another value."""
    path = b"/v1/conversations/0199b3a0-0000-7000-8000-000000000000/read"
    head = b"POST " + path + b" HTTP/1.1\r\n" + HOST + wire.authorization() + b"Content-Type: application/json\r\n"
    assert wire.ask(head + b"Content-Length: %d\r\n" % len(body), body).status in {400, 404, 422}


@pytest.mark.parametrize("number", [b"9007199254740993", b"99999999999999999999", b"1e3", b"1.0", b"true", b'"1"'])
def test_s_d8_numbers_are_whole_and_no_greater_than_2_to_53(wire: Wire, number: bytes) -> None:
    path = b"/v1/conversations/0199b3a0-0000-7000-8000-000000000000/read"
    head = b"POST " + path + b" HTTP/1.1\r\n" + HOST + wire.authorization() + b"Content-Type: application/json\r\n"
    body = b'{"seq":' + number + b"}"
    answer = wire.ask(head + b"Content-Length: %d\r\n" % len(body), body)
    assert (answer.status, answer.problem["errors"][0]["field"]) == (422, "seq")


@pytest.mark.parametrize("query", [b"limit[$gt]=1", b"limit[]=1", b"$where=1", b"limit=1;DROP", b"cursor[$ne]=x"])
def test_s_d18_a_query_holds_no_operators(wire: Wire, query: bytes) -> None:
    answer = wire.ask(b"GET /v1/conversations?" + query + b" HTTP/1.1\r\n" + HOST + wire.authorization())
    assert (answer.status, answer.problem["code"]) == (422, "invalid")


def test_s_d15_answers_are_json_or_pages_that_bring_their_own_policy(wire: Wire) -> None:
    for path in (b"/healthz", b"/openapi.json", b"/nowhere", b"/v1/unread"):
        answer = wire.ask(b"GET " + path + b" HTTP/1.1\r\n" + HOST)
        assert answer.headers["content-type"] in {"application/json", "application/problem+json"}
        assert answer.headers["x-content-type-options"] == "nosniff"
    for path in (b"/docs", b"/"):
        answer = wire.ask(b"GET " + path + b" HTTP/1.1\r\n" + HOST)
        assert answer.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
