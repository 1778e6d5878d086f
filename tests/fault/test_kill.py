"""The service is killed under load, again and again, and started again on the same data.

What must hold is what ``checker`` checks: every acknowledged message is there once, whoever listened resumed without
gap, repeat or reorder, and nobody saw what he may not see. A kill only proves something if it interrupts something: at
least a third must land inside a commit, which shows when a send that was never answered is found stored by its repeat.
Every sixth kill comes at any time, the others a moment after the database began to write.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import sys
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from tests.e2e.server import Service
from tests.fault import kill_at_commit
from tests.fault.checker import check
from tests.fault.history import Operation, sort_out
from tests.fault.load import Load
from tests.fault.recorder import Delivered, Entry, Killed, Recorder, write_recording
from tests.fault.stored_log import read_stored_log

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FEW = 6
MANY = int(os.environ.get("SANCTUM_KILLS", "40"))
"""How many kills ``make chaos`` makes."""
ACKNOWLEDGED = (20, 150)
"""How many sends are acknowledged between one kill and the next: at least, and below."""
LONGEST_DELAY_SECONDS = 0.004
"""From the first write of a commit; its sync alone takes about a millisecond."""
LEAST_INSIDE = 1 / 3


@pytest.mark.timeout(300)
async def test_nothing_acknowledged_is_lost_by_a_few_kills(tmp_path: Path) -> None:
    await _kill_and_check(tmp_path, kills=FEW, seed=1)


@pytest.mark.chaos
@pytest.mark.timeout(1_200)
async def test_nothing_acknowledged_is_lost_by_many_kills(tmp_path: Path) -> None:
    """The seed is new each time; a recording of what failed stays beside the database."""
    seed = int(os.environ.get("SANCTUM_SEED", "0")) or secrets.randbits(32)
    await _kill_and_check(tmp_path, kills=MANY, seed=seed)


async def _kill_and_check(tmp_path: Path, *, kills: int, seed: int) -> None:
    recorder = Recorder()
    with Service(tmp_path / "data") as service:
        await _run(service, recorder, kills=kills, seed=seed)
        code, _ = service.stop()
        database = service.database_path
    write_recording(tmp_path / "recording", recorder.entries)
    assert code == 0
    violations = check(recorder.entries, read_stored_log(database))
    assert not violations, f"seed {seed}, recording in {tmp_path}:\n" + "\n".join(map(str, violations[:20]))
    inside = count_kills_inside_a_commit(recorder.entries)
    print(_describe(recorder.entries, kills=kills, inside=inside))  # noqa: T201 - shown by `pytest -rP`
    assert inside >= kills * LEAST_INSIDE, f"only {inside} of {kills} kills interrupted a commit"


async def _run(service: Service, recorder: Recorder, *, kills: int, seed: int) -> None:
    """Load the service, kill it so many times, then let everybody come to an end."""
    draw = random.Random(seed)
    async with Load(service.base_url, service.token, recorder=recorder, seed=seed) as load:
        await load.start()
        for number in range(kills):
            await load.run_until_acknowledged(draw.randrange(*ACKNOWLEDGED))
            load.up.clear()
            if number % 6:
                await _kill_at_commit(service, delay_seconds=draw.uniform(0, LONGEST_DELAY_SECONDS))
            else:
                await asyncio.sleep(draw.uniform(0, 0.05))
            service.kill()
            recorder.note(Killed(recorder.now))
            await asyncio.to_thread(service.start)
            load.up.set()
        await load.run_until_acknowledged(100)
        await load.drain()


async def _kill_at_commit(service: Service, *, delay_seconds: float) -> None:
    """Kill the service a moment after it began to write."""
    write_ahead_log = f"{service.database_path}-wal"
    killer = await asyncio.create_subprocess_exec(
        sys.executable, "-S", kill_at_commit.__file__, str(service.pid), write_ahead_log, str(delay_seconds)
    )
    assert await killer.wait() == 0


def count_kills_inside_a_commit(entries: Sequence[Entry]) -> int:
    """Count the kills that left a stored send unanswered.

    Such a send has one attempt without an answer, which the kill ended; its next attempt is told that it is a repeat.
    """
    kills = [entry.at for entry in entries if isinstance(entry, Killed)]
    attempts: dict[tuple[str, str, str], list[Operation]] = defaultdict(list)
    for send in sort_out(entries).of("send"):
        attempts[send.key].append(send)
    inside: set[float] = set()
    for lost, repeat, *_ in (each for each in attempts.values() if len(each) > 1):
        if lost.outcome == "info" and repeat.outcome == "ok" and repeat.result.replayed:
            inside |= {at for at in kills if lost.called < at < repeat.called}
    return len(inside)


def _describe(entries: Sequence[Entry], *, kills: int, inside: int) -> str:
    """Say what the run consisted of."""
    sends = list(sort_out(entries).of("send"))
    stored = sum(send.outcome == "ok" and not send.result.replayed for send in sends)
    unanswered = sum(send.outcome == "info" for send in sends)
    delivered = sum(isinstance(entry, Delivered) for entry in entries)
    return (
        f"{kills} kills, {inside} inside a commit; {stored} messages acknowledged as new, {unanswered} sends without an"
        f" answer, {delivered} deliveries"
    )
