"""Sends a message now and then, from a process that does nothing else, and prints how long each took, as JSON.

What it is to do comes as JSON on its standard input. The socket is a blocking one: no event loop adds to what it sees.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time

import msgspec

from bench.http_client import find_length
from bench.sends import build_send

_PERIOD_SECONDS = 0.01


class Probe(msgspec.Struct, frozen=True):
    """Where to send, as whom, and for how long."""

    port: int
    token: str
    conversation: str
    seconds: float


async def run_probe(probe: Probe) -> list[float]:
    """Start the prober; return the latencies of its sends, in seconds."""
    command = (sys.executable, "-m", "bench.prober")
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate(msgspec.json.encode(probe))
    assert process.returncode == 0
    return msgspec.json.decode(out, type=list[float])


def main() -> None:
    probe = msgspec.json.decode(sys.stdin.buffer.read(), type=Probe)
    latencies = []
    with socket.create_connection(("127.0.0.1", probe.port)) as connection:
        until = time.perf_counter() + probe.seconds
        while (begun := time.perf_counter()) < until:
            connection.sendall(build_send(probe.token, probe.conversation))
            answer = _receive(connection)
            latencies.append(time.perf_counter() - begun)
            assert answer.startswith(b"HTTP/1.1 201"), answer
            time.sleep(max(0.0, begun + _PERIOD_SECONDS - time.perf_counter()))
    sys.stdout.write(msgspec.json.encode(latencies).decode())


def _receive(connection: socket.socket) -> bytes:
    """Receive an answer; its head and its body may come one after the other."""
    answer = b""
    while not (needed := find_length(answer)) or len(answer) < needed:
        received = connection.recv(65_536)
        assert received, "the server hung up"
        answer += received
    return answer


if __name__ == "__main__":
    main()
