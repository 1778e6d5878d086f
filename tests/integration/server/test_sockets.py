"""Frames that no client of ours sends, on a real socket."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.server.limits import CONTROL_FRAMES_PER_SECOND, MAX_FRAGMENTS, ServerLimits
from tests.integration.server.wire import HOST, Wire, wire_to
from tests.raw_socket import BINARY, CLOSE, CONT, PING, PONG, TEXT, Frame, RawSocket, encode_frame, encode_message

if TYPE_CHECKING:
    from collections.abc import Iterator

BURST = 2 * CONTROL_FRAMES_PER_SECOND
HELLO = b'{"op":"hello","token":"x"}'
PROTOCOL_ERROR, NOT_UTF8, TOO_LARGE = 1_002, 1_007, 1_009
UNAUTHENTICATED = 4_501
"""What a hello with a bad token is closed with: the frame was taken for what it is."""
FLOOD = 4_007
BAD_FRAME = 4_500


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """Run a service that waits for no message."""
    with wire_to(tmp_path_factory.mktemp("hurried"), ServerLimits(message_seconds=0.2)) as wire:
        yield wire


def answer_to(wire: Wire, *frames: bytes) -> int:
    """Send frames and return the code that the socket is closed with."""
    with RawSocket(wire.port) as raw:
        raw.write(*frames)
        code = raw.read_close_code()
        raw.confirm_close()
        assert raw.is_at_end()
        return code


MISFRAMED = {
    "unmasked": encode_frame(TEXT, HELLO, masked=False),
    "unmasked_ping": encode_frame(PING, masked=False),
    "first_reserved_bit": encode_frame(TEXT, HELLO, rsv=4),
    "second_reserved_bit": encode_frame(TEXT, HELLO, rsv=2),
    "third_reserved_bit": encode_frame(TEXT, HELLO, rsv=1),
    "reserved_bit_of_a_ping": encode_frame(PING, rsv=4),
    **{f"opcode_{opcode}": encode_frame(opcode) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "ping_in_pieces": encode_frame(PING, fin=False),
    "close_in_pieces": encode_frame(CLOSE, fin=False),
    "ping_of_126_bytes": encode_frame(PING, b"x" * 126),
    "pong_of_64_kib": encode_frame(PONG, b"x" * 65_536),
    "continuation_of_nothing": encode_frame(CONT, b"x"),
    "continuation_after_the_end": encode_message(2) + encode_frame(CONT),
    "message_in_a_message": encode_frame(TEXT, fin=False) + encode_frame(TEXT, HELLO),
    "close_of_one_byte": encode_frame(CLOSE, b"x"),
    **{
        f"close_with_{code}": encode_frame(CLOSE, struct.pack("!H", code))
        for code in (0, 999, 1_004, 1_005, 1_006, 1_015, 2_999, 5_000, 65_535)
    },
}
NO_UTF8 = {
    "text": encode_frame(TEXT, b'{"op":"\xff"}'),
    "overlong": encode_frame(TEXT, b"\xc0\xaf"),
    "surrogate": encode_frame(TEXT, b"\xed\xa0\x80"),
    "cut_off": encode_frame(TEXT, b"\xf0\x9f"),
    "pieces": encode_message(2, b"\xf0\x9f"),
    "reason_of_a_close": encode_frame(CLOSE, struct.pack("!H", 1_000) + b"\xff"),
}


@pytest.mark.parametrize("kind", MISFRAMED)
def test_s_d8_what_is_no_frame_is_closed_with_1002(wire: Wire, kind: str) -> None:
    assert answer_to(wire, MISFRAMED[kind]) == PROTOCOL_ERROR


@pytest.mark.parametrize("kind", NO_UTF8)
def test_s_d8_what_is_no_utf_8_is_closed_with_1007(wire: Wire, kind: str) -> None:
    assert answer_to(wire, NO_UTF8[kind]) == NOT_UTF8


def test_s_d8_no_more_is_taken_behind_what_is_no_utf_8(wire: Wire) -> None:
    with RawSocket(wire.port) as raw:
        raw.write(encode_frame(TEXT, b"\xff"), encode_frame(PING), encode_frame(TEXT, HELLO))
        assert raw.read_close_code() == NOT_UTF8
        assert raw.is_at_end()


def test_s_d5_compression_is_not_negotiated(wire: Wire) -> None:
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    with RawSocket(wire.port, offer) as raw:
        assert raw.answer.startswith(b"HTTP/1.1 101 ")
        assert b"sec-websocket-extensions" not in raw.answer.lower()
        # A compressed frame all the same.
        raw.write(encode_frame(TEXT, b"{}", rsv=4))
        assert raw.read_close_code() == PROTOCOL_ERROR


@pytest.mark.parametrize("size", [65_537, 2**31, 2**62, 2**63 - 1])
def test_s_d6_an_oversized_frame_is_refused_by_its_length(wire: Wire, size: int) -> None:
    assert answer_to(wire, encode_frame(TEXT, length=size)) == TOO_LARGE


def test_s_d6_a_length_of_more_than_63_bits_is_none(wire: Wire) -> None:
    assert answer_to(wire, encode_frame(TEXT, length=2**63)) in {PROTOCOL_ERROR, TOO_LARGE}


def test_s_d6_an_oversized_frame_that_comes_whole_is_answered_all_the_same(wire: Wire) -> None:
    assert answer_to(wire, encode_frame(BINARY, b"x" * 4_000_000)) == TOO_LARGE


@pytest.mark.parametrize("between", [b"", encode_frame(PING, b"still here")])
def test_s_d6_fragments_count_together(wire: Wire, between: bytes) -> None:
    part = b"a" * 40_000
    first = encode_frame(TEXT, part, fin=False)
    assert answer_to(wire, first, between, encode_frame(CONT, part, fin=False)) == TOO_LARGE


def test_s_d6_a_message_of_64_kib_is_taken(wire: Wire) -> None:
    padded = HELLO.ljust(65_536)
    assert answer_to(wire, encode_frame(TEXT, padded)) == UNAUTHENTICATED
    assert answer_to(wire, encode_message(1, HELLO), encode_frame(TEXT, padded)) == UNAUTHENTICATED
    assert answer_to(wire, encode_frame(TEXT, padded[:40_000], fin=False), encode_frame(CONT, padded[40_000:])) == (
        UNAUTHENTICATED
    )


def test_s_d4_so_many_pings_are_answered(wire: Wire) -> None:
    with RawSocket(wire.port) as raw:
        payloads = [b"%d" % number for number in range(BURST)]
        raw.write(*(encode_frame(PING, payload) for payload in payloads))
        assert [raw.read() for _ in payloads] == [Frame(PONG, payload) for payload in payloads]
        raw.write(encode_frame(TEXT, HELLO))
        assert raw.read_close_code() == UNAUTHENTICATED


@pytest.mark.parametrize("opcode", [PING, PONG])
@pytest.mark.parametrize("payload", [b"", b"x" * 125])
def test_s_d4_more_control_frames_are_closed_with_4007(wire: Wire, opcode: int, payload: bytes) -> None:
    assert answer_to(wire, encode_frame(opcode, payload) * 100 * BURST) == FLOOD


def test_s_d4_a_message_may_come_in_so_many_pieces(wire: Wire) -> None:
    pieces = [HELLO[:5], *[b""] * (MAX_FRAGMENTS - 2), HELLO[5:]]
    last = MAX_FRAGMENTS - 1
    frames = [encode_frame(CONT if at else TEXT, piece, fin=at == last) for at, piece in enumerate(pieces)]
    assert answer_to(wire, *frames) == UNAUTHENTICATED


@pytest.mark.parametrize("pieces", [MAX_FRAGMENTS + 1, 100 * MAX_FRAGMENTS])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_s_d4_a_message_in_more_pieces_is_closed_with_4007(wire: Wire, pieces: int, opcode: int) -> None:
    assert answer_to(wire, encode_message(pieces, b"", opcode)) == FLOOD


UNFINISHED = {
    "message": encode_frame(TEXT, b"{", fin=False),
    "frame": encode_frame(TEXT, b"{", length=100),
    "head": b"\x81",
    "ping": encode_frame(PING, length=100),
}


@pytest.mark.parametrize("kind", UNFINISHED)
def test_s_d4_a_message_that_is_never_whole_is_closed_with_4007(hurried: Wire, kind: str) -> None:
    assert answer_to(hurried, UNFINISHED[kind]) == FLOOD


SAID = {
    "nested_arrays": (b"[" * 30_000, BAD_FRAME),
    "nested_objects": (b'{"op":"ping","a":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001, BAD_FRAME),
    "nested_id": (b'{"op":"ping","id":' + b"[" * 200 + b"]" * 200 + b"}", "invalid"),
    "nested_metadata": (b'{"op":"send","id":"1","metadata":' + b'{"a":' * 17 + b"1" + b"}" * 18, "invalid"),
    "nan": (b'{"op":"read","id":"1","seq":NaN}', BAD_FRAME),
    "infinity": (b'{"op":"read","id":"1","seq":-Infinity}', BAD_FRAME),
    "number_beyond_a_double": (b'{"op":"read","id":"1","seq":1e999}', "invalid"),
    "number_of_many_digits": (b'{"op":"read","id":"1","seq":' + b"9" * 60_000 + b"}", BAD_FRAME),
    "lone_surrogate": (b'{"op":"send","id":"1","body":"\\ud800"}', "invalid"),
    "lone_surrogate_in_the_op": (b'{"op":"\\ud800"}', "unknown_op"),
    "lone_surrogate_in_the_id": (b'{"op":"nothing","id":"\\udc00"}', "unknown_op"),
    "nul": (b'{"op":"send","id":"1","body":"a\\u0000b"}', "invalid"),
    "nul_in_the_id": (b'{"op":"ping","id":"\\u0000"}', "invalid"),
    "raw_nul": (b'{"op":"ping","id":"\x00"}', BAD_FRAME),
    "byte_order_mark": (b'\xef\xbb\xbf{"op":"ping"}', BAD_FRAME),
    "two_documents": (b'{"op":"ping"}{"op":"ping"}', BAD_FRAME),
    "nothing": (b"", BAD_FRAME),
    "null": (b"null", BAD_FRAME),
    "no_op": (b"{}", BAD_FRAME),
    "op_of_another_type": (b'{"op":{"$ne":null}}', BAD_FRAME),
    "op_given_twice": (b'{"op":"ping","op":"nothing"}', "unknown_op"),
    "field_given_twice": (b'{"op":"read","id":"1","seq":-1,"seq":1}', "invalid"),
}
"""What is said on a stream that is live, with the problem code or the close code that it gets."""


@pytest.mark.parametrize("kind", SAID)
def test_s_d8_what_crashed_others_is_refused_and_the_service_lives_on(wire: Wire, kind: str) -> None:
    message, wanted = SAID[kind]
    with RawSocket(wire.port) as raw:
        raw.hello(wire.token)
        raw.write(encode_frame(TEXT, message))
        if isinstance(wanted, int):
            assert raw.read_close_code() == wanted
        else:
            assert raw.hear("error")["problem"]["code"] == wanted
            raw.say(op="ping", id="after")
            assert raw.hear("ok")["id"] == "after"
    assert wire.ask(b"GET /healthz HTTP/1.1\r\n" + HOST).status == 200
