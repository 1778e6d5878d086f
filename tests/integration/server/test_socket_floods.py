"""Floods of frames to a service in a process of its own, and what they cost it: next to no memory.

What is asked of the process is its peak, as the system counts it: no moment between two looks is missed.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.server.limits import MAX_FRAGMENTS
from tests.integration.server.served import Served
from tests.raw_socket import BINARY, CONT, PING, PONG, TEXT, RawSocket, encode_frame, encode_message
from tests.socket_endpoints import ENDPOINTS

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1024 * 1024
FLOOD_BYTES = 6 * MIB
MAY_GROW_BYTES = 5 * MIB
SOCKETS = 16
FLOOD_BYTES_EACH = MIB // 4
"""Which would become 26 MB of objects, if all of it were taken at a time."""
MAY_GROW_BYTES_TOGETHER = 20 * MIB
HOLDERS = 100
MAY_HOLD_BYTES = 3 * 64 * 1024
"""Of memory for each socket that leaves a message of 64 KiB unfinished: the pieces, and what joins them."""
PROTOCOL_ERROR, TOO_LARGE, FLOOD, BAD_FRAME = 1_002, 1_009, 4_007, 4_500
FLOODS = {
    "pings": encode_frame(PING, b"x" * 125),
    "empty_pings": encode_frame(PING),
    "empty_pongs": encode_frame(PONG),
    "empty_pieces": encode_frame(CONT, fin=False),
    "tiny_pieces": encode_frame(CONT, b" ", fin=False),
    "empty_messages": encode_frame(TEXT),
    "frames_that_are_refused": encode_frame(TEXT, b'{"op":"nothing"}'),
}
TOO_LONG = (2**31, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
UNFINISHED = {
    "frame": encode_frame(TEXT, b" " * 65_535, length=65_536),
    "first_piece": encode_frame(TEXT, b" " * 65_536, fin=False),
    "pieces": encode_message(MAX_FRAGMENTS, b" " * 1_024)[: -len(encode_frame(CONT, b" " * 1_024))],
    "tiny_pieces": encode_message(MAX_FRAGMENTS, b" ")[: -len(encode_frame(CONT, b" "))],
}


@pytest.fixture(scope="module", params=ENDPOINTS)
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("data"), request.param, {"RATE_LIMIT_FRAMES": "100"}) as service:
        # What is made once is made before anybody looks.
        flood(service, encode_frame(PING), size=FLOOD_BYTES // 10)
        yield service


def flood(service: Served, frame: bytes, *, size: int = FLOOD_BYTES, reads: bool = True) -> int | None:
    """Send so many bytes of frames, as pieces of a message if they are that; return the close code, if it can be read.

    Who does not read begins to once all was sent, or is told that no more is taken.
    """
    begin = encode_frame(TEXT, fin=False) if frame[0] == CONT else b""
    with RawSocket(service.port, receive_buffer=None if reads else 4_096) as raw, ThreadPoolExecutor(1) as writer:
        writing = writer.submit(write_what_is_taken, raw, begin + frame * (size // len(frame)))
        if not reads:
            writing.result()
        with contextlib.suppress(ConnectionError):
            return raw.read_close_code()
    return None


def write_what_is_taken(raw: RawSocket, flood: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        raw.write(flood)


def code_of(kind: str) -> int:
    """Say what a flood is closed with: an empty message is none of ours, and told so at once."""
    return BAD_FRAME if kind == "empty_messages" else FLOOD


def forget_peak(pid: int) -> int:
    """Return the process' resident memory, and let its peak be counted from there."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return read_bytes(pid, "VmRSS")


def read_bytes(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024


@pytest.mark.parametrize("kind", FLOODS)
def test_s_d4_a_flood_costs_no_memory(service: Served, kind: str) -> None:
    before = forget_peak(service.pid)
    assert flood(service, FLOODS[kind]) == code_of(kind)
    assert read_bytes(service.pid, "VmHWM") - before < MAY_GROW_BYTES


@pytest.mark.parametrize("kind", FLOODS)
def test_s_d4_nor_do_floods_of_many_sockets_at_once(service: Served, kind: str) -> None:
    before = forget_peak(service.pid)
    with ThreadPoolExecutor(SOCKETS) as pool:
        codes = list(pool.map(lambda _: flood(service, FLOODS[kind], size=FLOOD_BYTES_EACH), range(SOCKETS)))
    assert codes == [code_of(kind)] * SOCKETS
    assert read_bytes(service.pid, "VmHWM") - before < MAY_GROW_BYTES_TOGETHER


def test_s_d4_nor_does_one_by_a_client_that_does_not_read(service: Served) -> None:
    before = forget_peak(service.pid)
    flood(service, FLOODS["pings"], size=2 * FLOOD_BYTES, reads=False)
    assert read_bytes(service.pid, "VmHWM") - before < MAY_GROW_BYTES


@pytest.mark.parametrize("kind", UNFINISHED)
def test_s_d4_what_is_never_whole_costs_what_was_sent(service: Served, kind: str) -> None:
    before = forget_peak(service.pid)
    with contextlib.ExitStack() as stack:
        for _ in range(HOLDERS):
            stack.enter_context(RawSocket(service.port)).write(UNFINISHED[kind])
        # What came first is read before a later handshake is answered.
        stack.enter_context(RawSocket(service.port))
        assert read_bytes(service.pid, "VmHWM") - before < HOLDERS * MAY_HOLD_BYTES


def test_s_d6_nor_do_lengths_that_are_only_announced(service: Served) -> None:
    before = forget_peak(service.pid)
    with contextlib.ExitStack() as stack:
        for size in (65_536, *TOO_LONG) * 10:
            raw = stack.enter_context(RawSocket(service.port))
            raw.write(encode_frame(BINARY, length=size))
            assert size not in TOO_LONG or raw.read_close_code() in {PROTOCOL_ERROR, TOO_LARGE}
    assert read_bytes(service.pid, "VmHWM") - before < MAY_GROW_BYTES
