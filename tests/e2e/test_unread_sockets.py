"""Two hundred sockets that never read, in a conversation in which somebody speaks all the time."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from sanctum_messaging.hub.settings import HubSettings
from tests.e2e.client import Client
from tests.e2e.server import Service
from tests.raw_socket import RawSocket

MUTE = 200
SMALL_BUFFER = 4_096
GONE_SECONDS = 60
MAY_COST_BYTES = MUTE * 100 * 1024
ITS_OWN = 5
"""Descriptors that the service may open meanwhile for the database."""
KEPT_EVENTS = HubSettings().ring_events
BATCH = 32
"""What is in flight at a time; with one batch after the other well above a thousand messages a second are asked for."""


@pytest.mark.soak
async def test_s_d3_two_hundred_sockets_that_never_read_cost_little_and_are_gone_in_a_minute(tmp_path: Path) -> None:
    names = [f"mute-{number}" for number in range(MUTE)]
    with Service(tmp_path / "data", environ={"LOG_LEVEL": "error"}) as service, contextlib.ExitStack() as stack:
        async with Client(service.base_url, service.token("ann")) as ann:
            conversation = await ann.create(*names)
        speaker = stack.enter_context(RawSocket(service.port))
        speaker.hello(service.token("ann"))
        # The newest events are kept in memory, whoever listens, and it grows until they were replaced once.
        said = [speak(speaker, conversation, batch) for batch in range(2 * KEPT_EVENTS // BATCH)]
        descriptors, before = count_descriptors(service.pid), resident_bytes(service.pid)
        for name in names:
            stack.enter_context(RawSocket(service.port, receive_buffer=SMALL_BUFFER)).hello(service.token(name))
        most, begun = before, time.monotonic()
        while count_descriptors(service.pid) > descriptors + ITS_OWN:
            assert time.monotonic() - begun < GONE_SECONDS
            said.append(speak(speaker, conversation, len(said)))
            most = max(most, resident_bytes(service.pid))
        assert sum(said) == len(said) * BATCH
        assert most - before < MAY_COST_BYTES, f"{(most - before) / MUTE / 1024:.0f} KiB for each"


def speak(speaker: RawSocket, conversation: str, batch: int) -> int:
    """Send some messages at once and return how many were delivered to their sender, once all were confirmed."""
    for number in range(BATCH):
        key = f"m-{batch}-{number}"
        speaker.say(op="send", id=key, conversationId=conversation, clientMessageId=key, body="x" * 200)
    heard = {"ok": 0, "event": 0}
    while heard["ok"] < BATCH or heard["event"] < BATCH:
        heard[speaker.hear("ok", "event")["op"]] += 1
    return heard["event"]


def count_descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4_096
