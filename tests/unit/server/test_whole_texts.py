"""What is read without the parser is what the parser would have read, and it gets the rest."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanctum_messaging.server.frame_reader import FrameReader
from sanctum_messaging.server.whole_texts import read_texts

SIZES = (0, 1, 124, 125, 126, 127, 300, 65_535)


def frame(
    payload: bytes, *, first: int = 0x81, mask: bytes = b"\x01\xf2\x00\x80", size_bytes: int | None = None
) -> bytes:
    size = len(payload)
    wanted = size_bytes if size_bytes is not None else 0 if size < 126 else 2
    length = bytes([0x80 | {0: size, 2: 126, 8: 127}[wanted]]) + (size.to_bytes(wanted) if wanted else b"")
    return bytes([first]) + length + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def parsed(data: bytes) -> tuple[list[bytes], bool]:
    """Have the parser read it all: the texts that came in one piece, and whether all was well."""
    reader = FrameReader(may_answer=lambda: True, monotonic=lambda: 0.0, max_size=65_536, logger=logging.getLogger())
    reader.receive_data(data)
    texts = [bytes(each.data) for each in reader.events_received() if each.opcode == 1 and each.fin]  # type: ignore[union-attr]  # a server gets frames
    return texts, reader.parser_exc is None


@pytest.mark.parametrize("size", SIZES)
def test_a_message_of_any_size_is_read(size: int) -> None:
    text = "ä" * (size // 2) + "x" * (size % 2)
    whole = frame(text.encode())
    assert read_texts(whole) == ([text], len(whole))
    assert read_texts(whole * 2 + b"\x81") == ([text] * 2, 2 * len(whole))
    assert read_texts(whole[:-1]) == ([], 0)


@pytest.mark.parametrize(
    "odd",
    [
        frame(b"x", first=0x82),
        frame(b"x", first=0x01),
        frame(b"x", first=0x80),
        frame(b"x", first=0x89),
        frame(b"", first=0x88),
        frame(b"x", first=0xC1),
        frame(b"\xff"),
        frame("ä".encode()[:1]),
        frame(b"\xed\xa0\x80"),
        frame(b"x" * 5, size_bytes=8),
        b"\x81\x01x",
        b"\x81\x05Hello",
    ],
)
def test_anything_else_is_left_for_the_parser(odd: bytes) -> None:
    before = frame(b"before")
    assert read_texts(before + odd + frame(b"behind")) == (["before"], len(before))


_payloads = st.one_of(st.text(max_size=140).map(str.encode), st.binary(max_size=8))
_frames = st.builds(
    frame, _payloads, first=st.sampled_from([0x81, 0x81, 0x81, 0x82, 0x89]), mask=st.binary(min_size=4, max_size=4)
)


@given(st.lists(_frames, max_size=6).map(b"".join), st.integers(0, 900))
def test_it_agrees_with_the_parser(data: bytes, cut: int) -> None:
    data = data[: len(data) - cut % (len(data) + 1)]
    expected, expected_well = parsed(data)
    texts, at = read_texts(data)
    rest, well = parsed(data[at:])
    assert ([text.encode() for text in texts] + rest, well) == (expected, expected_well)
