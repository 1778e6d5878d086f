from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanctum_messaging.protocol.codec import (
    MAX_FRAME_BYTES,
    BadFrameError,
    RefusedFrameError,
    decode_frame,
    encode_frame,
)
from sanctum_messaging.protocol.codes import PROBLEMS
from sanctum_messaging.protocol.frames import Ack, Bye, ClientInfo, Hello, Live, Ping, Pong, Read, Send, Typing

SEND = '{"op":"send","id":"7","conversationId":"c","clientMessageId":"a","body":"b"'


def refused(message: str) -> RefusedFrameError:
    with pytest.raises(RefusedFrameError) as caught:
        decode_frame(message)
    assert caught.value.code in PROBLEMS
    return caught.value


def faults(message: str) -> dict[str, str]:
    return {fault.field: fault.code for fault in refused(message).faults}


class TestDecoding:
    @pytest.mark.parametrize(
        ("message", "frame"),
        [
            ('{"op":"hello"}', Hello()),
            (
                '{"op":"hello","token":"t","cursor":"1-00000001","resumeToken":"r","client":{"name":"n","version":"1"}}',
                Hello(token="t", cursor="1-00000001", resume_token="r", client=ClientInfo("n", "1")),
            ),
            ('{"op":"read","conversationId":"c","seq":3}', Read(conversation_id="c", seq=3)),
            ('{"op":"typing","conversationId":"c","on":true,"id":"1"}', Typing(conversation_id="c", on=True, id="1")),
            ('{"op":"ack","cursor":"1-00000001"}', Ack(cursor="1-00000001")),
            (' {"id":null, "op" : "ping"} ', Ping()),
            ('{"op":"pong"}', Pong()),
            ('{"op":"bye"}', Bye()),
        ],
    )
    def test_takes_every_frame(self, message: str, frame: object) -> None:
        assert decode_frame(message) == frame

    def test_a_sends_metadata_is_kept_byte_for_byte(self) -> None:
        frame = decode_frame(SEND + ',"metadata":{"a" : 1.0}}')
        assert isinstance(frame, Send)
        assert not isinstance(frame.metadata, msgspec.UnsetType)
        assert bytes(frame.metadata) == b'{"a" : 1.0}'

    @pytest.mark.parametrize(
        "message",
        [
            "",
            "hello",
            "{",
            "[]",
            "null",
            '"op"',
            "{}",
            '{"op":1}',
            '{"op":null}',
            '{"Op":"bye"}',
            '{"op":"bye"} {"op":"bye"}',
            '{"op":"ping","op":"pong"}',
            '\ufeff{"op":"bye"}',
            '{"op":"read","conversationId":"c","seq":NaN}',
            "[" * 60_000,
            '{"op":' * 9_000,
            SEND + ',"metadata":' + "[" * 5_000 + "]" * 5_000 + "}",
        ],
    )
    def test_what_is_no_frame_closes_with_4500(self, message: str) -> None:
        with pytest.raises(BadFrameError) as caught:
            decode_frame(message)
        assert caught.value.code == 4500

    def test_binary_closes_with_1003(self) -> None:
        with pytest.raises(BadFrameError) as caught:
            decode_frame(b'{"op":"bye"}')
        assert caught.value.code == 1003

    @pytest.mark.parametrize("character", ["a", "\u20ac"])
    def test_more_bytes_than_a_frame_may_have_close_with_1009(self, character: str) -> None:
        most = '{"op":"%s"}'
        room = (MAX_FRAME_BYTES - len(most) + 2) // len(character.encode())
        refused(most % (character * room))
        with pytest.raises(BadFrameError) as caught:
            decode_frame(most % (character * (room + 1)))
        assert caught.value.code == 1009

    def test_an_unknown_op_is_refused_by_id(self) -> None:
        error = refused('{"op":"fly","id":"9"}')
        assert (error.code, error.frame_id) == ("unknown_op", "9")

    @pytest.mark.parametrize(
        ("rest", "expected"),
        [
            (',"x":1}', {"x": "unknown"}),
            (',"type":5}', {"type": "type"}),
            (',"body":null}', {"body": "type"}),
            (',"replyTo":"' + "x" * 65 + '"}', {"replyTo": "too_long"}),
            (',"metadata":[]}', {"metadata": "type"}),
            (',"metadata":{"a":' * 1 + '{"b":' * 8 + "1" + "}" * 10, {"metadata": "too_deep"}),
            (',"metadata":{"a":"' + "x" * 4_096 + '"}}', {"metadata": "too_long"}),
            (',"metadata":{"a":"\\u0000"}}', {"metadata.a": "nul"}),
            (',"metadata":{"a":"\\ud800"}}', {"metadata.a": "lone_surrogate"}),
        ],
    )
    def test_a_faulty_field_is_named(self, rest: str, expected: dict[str, str]) -> None:
        assert faults(SEND + rest) == expected
        assert refused(SEND + rest).frame_id == "7"

    @pytest.mark.parametrize(
        ("text", "code"), [("\\u0000", "nul"), ("\\ud800", "lone_surrogate"), ("x\\udc00y", "lone_surrogate")]
    )
    def test_texts_that_no_database_holds_are_refused_everywhere(self, text: str, code: str) -> None:
        assert faults('{"op":"ack","cursor":"' + text + '"}') == {"cursor": code}
        assert faults('{"op":"hello","client":{"name":"' + text + '"}}') == {"client.name": code}

    def test_an_escaped_backslash_before_u0000_is_plain_text(self) -> None:
        frame = decode_frame('{"op":"ack","cursor":"\\\\u0000"}')
        assert frame == Ack(cursor="\\u0000")

    @pytest.mark.parametrize("frame_id", ["1", '""', '"\\ud800"', '"' + "x" * 65 + '"', "{}"])
    def test_an_id_that_could_not_be_answered_to_is_not_repeated(self, frame_id: str) -> None:
        assert refused('{"op":"bye","id":' + frame_id + "}").frame_id is None

    @given(st.text(max_size=80) | st.binary(max_size=80).map(lambda raw: raw.decode("latin-1")))
    def test_takes_no_harm_from_any_text(self, message: str) -> None:
        with contextlib.suppress(BadFrameError, RefusedFrameError):
            decode_frame(message)

    @given(
        st.dictionaries(
            st.sampled_from(["op", "id", "cursor", "conversationId", "seq", "on", "token", "body", "metadata"]),
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False)
            | st.text(max_size=9)
            | st.sampled_from(["send", "read", "ack", "hello"])
            | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
        )
    )
    def test_takes_no_harm_from_any_object(self, frame: dict[str, object]) -> None:
        with contextlib.suppress(BadFrameError, RefusedFrameError):
            decode_frame(msgspec.json.encode(frame).decode())


def test_frames_are_encoded_with_their_op() -> None:
    assert encode_frame(Live(cursor="1-0000000a")) == b'{"op":"live","cursor":"1-0000000a"}'
