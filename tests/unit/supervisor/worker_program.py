"""A small worker: answers each connection with its number, its process and everyone's metrics, and does as it is told.

Called with a behaviour, its number and the two descriptors that a worker inherits.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.supervisor.membership import Membership


def say(text: str) -> None:
    os.write(2, f"{text}\n".encode())


async def serve(membership: Membership, number: int, behaviour: str) -> None:
    told = asyncio.Event()
    needed = 2 if behaviour == "hesitant" else 1

    def hear(sent: signal.Signals) -> None:
        nonlocal needed
        say(f"worker {number} heard {sent.name}")
        needed -= 1
        if needed == 0 and behaviour != "deaf":
            told.set()

    def orphaned() -> None:
        say(f"worker {number} is orphaned")
        told.set()

    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, hear, each)
    gather = membership.share_metrics(f"# HELP pid Process.\n# TYPE pid gauge\npid {os.getpid()}\n".encode)

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            metrics = (await gather()).decode()
        except UnavailableError as error:
            metrics = f"{error}\n"
        writer.write(f"worker {number} {os.getpid()}\n{metrics}".encode())
        await writer.drain()
        writer.close()

    async with membership.joined(orphaned):
        server = await asyncio.start_server(answer, sock=membership.listener)
        async with server:
            say(f"worker {number} is {os.getpid()}")
            membership.announce()
            await told.wait()


def leave_a_stranger() -> None:
    """Leave a process behind that ends in its own time, when nobody here knows it any more."""
    if os.fork() == 0:
        stranger = os.fork()
        if stranger:
            say(f"stranger is {stranger}")
            os._exit(0)
        signal.pause()
        os._exit(0)
    os.wait()


def main() -> int:
    behaviour, number = sys.argv[1], int(sys.argv[2])
    if behaviour == "misconfigured" or (behaviour == "misconfigured later" and Path("fault").exists()):
        say("SETTING: is wrong")
        return 2
    if behaviour == "second misconfigured" and number > 0:
        say("SETTING: is too much")
        return 2
    if behaviour == "crashing":
        return 3
    if behaviour == "leaving a stranger" and number == 0:
        leave_a_stranger()
    asyncio.run(serve(Membership.inherit(int(sys.argv[3]), int(sys.argv[4])), number, behaviour))
    return 0


if __name__ == "__main__":
    sys.exit(main())
