"""The command it is given, in a process that kills itself (SIGKILL) at one exact point, once a file is there.

    python failpoints.py POINT FILE sanctum serve …

In place of one step of the service stands one that does the same up to that point. A stream dies at its point only if
it is the victim's. Just before, what its client has acknowledged so far is stored, as happens every few seconds.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sanctum_messaging.cli import main as run
from sanctum_messaging.hub.delivery import Delivery
from sanctum_messaging.protocol.session import Phase
from sanctum_messaging.workers.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sanctum_messaging.domain.events import Committed
    from sanctum_messaging.domain.model import Cursor
    from sanctum_messaging.hub.catch_up import CatchUp, Delivered
    from sanctum_messaging.hub.connection import Connection
    from sanctum_messaging.server.accepted_socket import AcceptedSocket

VICTIM = "vic"

_dying: set[asyncio.Task[None]] = set()


def after_commit_before_publish(is_due: Callable[[], bool]) -> None:
    """What was sent is on disk, and neither its sender nor anybody else was told."""
    publish = Writer._publish

    def die(self: Writer, committed: Committed) -> None:
        if is_due():
            os.kill(os.getpid(), signal.SIGKILL)
        publish(self, committed)

    Writer._publish = die  # type: ignore[method-assign]


def mid_replay(is_due: Callable[[], bool]) -> None:
    """Half the bytes of the first page are with the client, and the last event of them is cut in two."""
    hand_over = Delivery._hand_over

    def hand_over_half(self: Delivery, frames: bytes, count: int, upto: Cursor) -> None:
        if count > 1 and self._session.phase is Phase.CATCHING_UP and _is_victim(self) and is_due():
            hand_over(self, frames[: len(frames) // 2], count, upto)
            _hold(self)
            _die(self)
        else:
            hand_over(self, frames, count, upto)

    Delivery._hand_over = hand_over_half  # type: ignore[method-assign]


def mid_flip(is_due: Callable[[], bool]) -> None:
    """The last page is with the client and the stream is live; what else was missed, and one event more, is pending.

    The last that the client hears is a heartbeat, whose cursor must not lie behind what is pending.
    """
    go_live, push = Delivery._go_live, Delivery.push
    held: set[Delivery] = set()

    def go_live_and_hold(self: Delivery, catch_up: CatchUp) -> bool:
        is_live = go_live(self, catch_up)
        if is_live and self._events and _is_victim(self) and is_due():
            held.add(self)
            _hold(self)
        return is_live

    def take_one_and_die(self: Delivery, events: Sequence[Delivered], size: int) -> None:
        push(self, events, size)
        if self in held:
            held.remove(self)
            self.ping()
            self._write_replies()
            _die(self)

    Delivery._go_live = go_live_and_hold  # type: ignore[method-assign]
    Delivery.push = take_one_and_die  # type: ignore[method-assign]


def full_buffers(is_due: Callable[[], bool]) -> None:
    """The client does not read. What was pending for it is dropped, and its catch-up waits for room."""
    fall_behind = Delivery.fall_behind

    def fall_behind_and_die(self: Delivery) -> None:
        fall_behind(self)
        if self._transport.is_full and _is_victim(self) and is_due():
            _hold(self)
            _die(self, when_sent=False)

    Delivery.fall_behind = fall_behind_and_die  # type: ignore[method-assign]


POINTS = {each.__name__: each for each in (after_commit_before_publish, mid_replay, mid_flip, full_buffers)}


def _is_victim(delivery: Delivery) -> bool:
    return delivery._user is not None and delivery._user.name == VICTIM


def _hold(delivery: Delivery) -> None:
    """Have a stream write nothing more."""
    delivery._ending = True
    cast("AcceptedSocket", delivery._transport).is_full = True


def _die(delivery: Delivery, *, when_sent: bool = True) -> None:
    """Kill the process once the system has what was written."""
    connection = cast("Connection", delivery._owner)

    async def die() -> None:
        while when_sent and delivery._transport.unsent:  # noqa: ASYNC110 - nobody tells us, and it takes no time
            await asyncio.sleep(0)
        await connection._persist()
        os.kill(os.getpid(), signal.SIGKILL)

    _dying.add(asyncio.get_running_loop().create_task(die()))


def main() -> None:
    point, file, *command = sys.argv[1:]
    sys.argv = command
    POINTS[point](Path(file).exists)
    run()


if __name__ == "__main__":
    main()
