"""Frames as RFC 6455, section 5.2, has them, held against another implementation's reading."""

from __future__ import annotations

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from sanctum_messaging.protocol.framing import frame_text, payload_of, payloads_of


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 100_000])
def test_a_client_reads_what_was_framed(size: int) -> None:
    payload = b"x" * size
    client = ClientProtocol(parse_uri("ws://sanctum.test"), state=State.OPEN, max_size=None)
    client.receive_data(frame_text(payload) * 2)
    assert client.events_received() == [Frame(Opcode.TEXT, payload)] * 2
    assert payload_of(frame_text(payload)) == payload
    assert list(payloads_of(frame_text(payload) * 3)) == [payload] * 3
