"""The service dies at exact points of a delivery, and is started again: nobody misses or repeats anything."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import secrets
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.e2e.server import Service
from tests.fault import failpoints
from tests.fault.checker import check
from tests.fault.device import Device
from tests.fault.failpoints import VICTIM
from tests.fault.recorder import Drained, Killed, Recorder, write_recording
from tests.fault.stored_log import read_stored_log

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


MANY = int(os.environ.get("SANCTUM_KILLS", "40"))
"""How many kills ``make chaos`` makes."""

MOST_SAID = 2_000
"""Several times as much as any buffer holds."""


@dataclass(frozen=True, slots=True)
class Kill:
    """Where the service dies, and what the victim's stream is like then."""

    point: str
    missed: int = 24
    """Messages that the victim comes back to."""
    characters: int = 4_000
    """Of each message; a page of a replay holds 64 KiB."""
    from_database: bool = False
    """Whether the victim was let in somewhere meanwhile, so that the first page can't come from memory."""
    forgets: bool = False
    """Whether the victim comes back with its resume token alone."""


@pytest.mark.timeout(300)
async def test_each_exact_kill_loses_and_repeats_nothing(tmp_path: Path) -> None:
    kills = (
        Kill("after_commit_before_publish"),
        Kill("mid_replay", forgets=True),
        Kill("mid_flip"),
        Kill("full_buffers", forgets=True),
    )
    await _kill_and_check(tmp_path, kills, described="one of each")


@pytest.mark.chaos
@pytest.mark.timeout(1_200)
async def test_many_exact_kills_lose_and_repeat_nothing(tmp_path: Path) -> None:
    """The seed is new each time; a recording of what failed stays beside the database."""
    seed = int(os.environ.get("SANCTUM_SEED", "0")) or secrets.randbits(32)
    draw = random.Random(seed)
    kills = [
        Kill(
            draw.choice(list(failpoints.POINTS)),
            missed=draw.randrange(24, 200),
            characters=draw.randrange(3_000, 8_000),
            from_database=draw.random() < 0.5,
            forgets=draw.random() < 0.5,
        )
        for _ in range(MANY)
    ]
    await _kill_and_check(tmp_path, kills, described=f"seed {seed}")


async def _kill_and_check(tmp_path: Path, kills: Sequence[Kill], *, described: str) -> None:
    service, recorder = Service(tmp_path / "data"), Recorder()
    scene = Scene(service, recorder)
    for number, kill in enumerate(kills):
        file = tmp_path / f"dies-{number}"
        service.wrapper = (sys.executable, failpoints.__file__, kill.point, str(file))
        with service:
            await scene.play(kill, file)
    service.wrapper = ()
    with service:
        await scene.end()
        code, _ = service.stop()
    write_recording(tmp_path / "recording", recorder.entries)
    assert code == 0
    violations = check(recorder.entries, read_stored_log(service.database_path))
    assert not violations, f"{described}, recording in {tmp_path}:\n" + "\n".join(map(str, violations[:20]))


class Scene:
    """Ann speaks, Bob listens all the time, and Vic goes away and comes back to where the service dies."""

    def __init__(self, service: Service, recorder: Recorder) -> None:
        self._service = service
        self._recorder = recorder
        self._ann, self._bob, self._vic = self._devices = [
            Device(lambda: service.base_url, service.token(name), user=name, name=f"{name}'s phone", recorder=recorder)
            for name in ("ann", "bob", VICTIM)
        ]
        self._numbers = itertools.count()
        self._room = ""
        self._unsettled = ("", "")
        """What Ann said and got no answer for: a client message id and a body."""
        self._last: Kill | None = None

    async def play(self, kill: Kill, file: Path) -> None:
        """Have the service die at its point, and see that something was cut short there."""
        hangs = kill.point == "full_buffers"
        await self._settle()
        async with self._bob.listen():
            await self._miss(kill)
            if not hangs:
                await asyncio.to_thread(file.touch)
            async with self._vic.listen() as socket:
                if hangs:
                    await socket.find_live()
                    socket.pause()
                    await asyncio.to_thread(file.touch)
                said = await self._talk(kill)
                socket.resume()
                await socket.find_close()
        assert await asyncio.to_thread(self._service.find_end) == -signal.SIGKILL
        self._recorder.note(Killed(self._recorder.now))
        heard, there = len(socket.events), kill.missed + kill.from_database + said
        if kill.point != "after_commit_before_publish":
            assert 0 < heard < there, f"{heard} of {there}"
        self._last = kill

    async def end(self) -> None:
        """Let everybody read his stream to the log's end."""
        await self._settle()
        end = await self._ann.read_end()
        for device in (self._bob, self._vic):
            async with device.listen() as socket:
                await socket.reach(end)
                self._recorder.note(Drained(device.name, self._recorder.now))
        await self._ann.record_messages(self._room, limit=200)
        for device in self._devices:
            await device.close()

    async def _settle(self) -> None:
        """Begin, or after a kill: Ann repeats what was not answered, and Vic takes all that he has missed."""
        if self._last is None:
            created = await self._ann.record_create({"bob": "member", VICTIM: "member"})
            self._room = created.result.conversation_id
        else:
            await self._repeat(was_stored=self._last.point == "after_commit_before_publish")
        async with self._vic.listen(forget=self._last is not None and self._last.forgets) as socket:
            await socket.reach(await self._ann.read_end())
            await socket.ack()
            await socket.ping()

    async def _repeat(self, *, was_stored: bool) -> None:
        """Say what was not answered, until it is."""
        while (repeated := await self._ann.record_send(self._room, *self._unsettled)).outcome == "info":
            pass
        assert repeated.outcome == "ok", repeated.code
        assert repeated.result.replayed or not was_stored

    async def _miss(self, kill: Kill) -> None:
        """Say what Vic misses."""
        for number in range(kill.missed):
            if kill.from_database and number == kill.missed // 2:
                await self._bob.record_create({VICTIM: "member"})
            assert await self._say(kill)

    async def _talk(self, kill: Kill) -> int:
        """Talk until nobody answers any more; return how often somebody did."""
        for count in range(MOST_SAID):
            if not await self._say(kill):
                return count
        raise AssertionError(f"it did not die {kill.point}")

    async def _say(self, kill: Kill) -> bool:
        """Say something; tell whether that was acknowledged."""
        self._unsettled = f"m-{next(self._numbers)}", "x" * kill.characters
        said = await self._ann.record_send(self._room, *self._unsettled)
        assert said.outcome != "fail", said.code
        return said.outcome == "ok"
