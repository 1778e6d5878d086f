"""Floods of frames to a service in a process of its own, and what they cost it: next to no memory."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.server import Service
from tests.raw_socket import BINARY, CONT, PING, TEXT, RawSocket, encode_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1024 * 1024
FLOOD_BYTES = 6 * MIB
MAY_GROW_BYTES = 5 * MIB
FLOOD, BAD_FRAME = 4_007, 4_500
FLOODS = {
    "pings": encode_frame(PING, b"x" * 125),
    "empty_pings": encode_frame(PING),
    "empty_pieces": encode_frame(CONT, fin=False),
    "empty_messages": encode_frame(TEXT),
    "frames_that_are_refused": encode_frame(TEXT, b'{"op":"nothing"}'),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    environ = {"RATE_LIMIT_FRAMES": "100", "LOG_LEVEL": "error"}
    with Service(tmp_path_factory.mktemp("flooded") / "data", environ=environ) as service:
        # What is made once is made before anybody looks.
        flood(service, encode_frame(PING), size=FLOOD_BYTES // 10)
        yield service


def flood(service: Service, frame: bytes, *, size: int = FLOOD_BYTES, reads: bool = True) -> int | None:
    """Send a piece of a message and then so many bytes; return the close code, if anything can be read any more."""
    with RawSocket(service.port, receive_buffer=None if reads else 4_096) as raw:
        begin = encode_frame(TEXT, fin=False) if frame == FLOODS["empty_pieces"] else b""
        with contextlib.suppress(ConnectionError):
            raw.write(begin, frame * (size // len(frame)))
        with contextlib.suppress(ConnectionError):
            return raw.read_close_code()
    return None


def forget_peak(pid: int) -> int:
    """Return the process' resident memory, and let its peak be counted from there."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return read_bytes(pid, "VmRSS")


def read_bytes(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024


@pytest.mark.parametrize("kind", FLOODS)
def test_s_d4_a_flood_costs_no_memory(service: Service, kind: str) -> None:
    before = forget_peak(service.pid)
    code = flood(service, FLOODS[kind])
    assert code == (BAD_FRAME if kind == "empty_messages" else FLOOD)
    assert read_bytes(service.pid, "VmHWM") - before < MAY_GROW_BYTES


def test_s_d4_nor_does_one_by_a_client_that_does_not_read(service: Service) -> None:
    before = forget_peak(service.pid)
    flood(service, FLOODS["pings"], size=2 * FLOOD_BYTES, reads=False)
    assert read_bytes(service.pid, "VmHWM") - before < MAY_GROW_BYTES


def test_s_d6_nor_do_lengths_that_are_only_announced(service: Service) -> None:
    before = forget_peak(service.pid)
    with contextlib.ExitStack() as stack:
        for size in (65_536, 2**62):
            for _ in range(10):
                raw = stack.enter_context(RawSocket(service.port))
                raw.write(encode_frame(BINARY, length=size))
    assert read_bytes(service.pid, "VmHWM") - before < MAY_GROW_BYTES
