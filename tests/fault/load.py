"""Load that does not mind what happens to the service: it retries what may be retried, and resumes."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Self

from tests.e2e.client import PATIENCE_SECONDS
from tests.fault import habits
from tests.fault.device import Device
from tests.fault.recorder import Drained, Recorder
from tests.fault.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

SENDERS = 5
"""Messages that each user keeps in flight. With eight users, some are always between commit and answer."""
POLLERS = 2
LOOK_SECONDS = 0.02


class Load:
    """Users who write, read and listen; one who comes and goes; some who edit, poll and found. ``drain`` ends it.

    ``place`` is the service's address, or picks one for each call and each socket. With ``rest`` each sender waits so
    many seconds after a message, more or less.
    """

    def __init__(
        self,
        place: str | Callable[[], str],
        token_of: Callable[[str], str],
        *,
        recorder: Recorder,
        seed: int,
        users: int = 8,
        rest: float = 0.0,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        names = [*(f"user-{number}" for number in range(users)), "guest"]
        *devices, guest = (
            Device(place, token_of(name), user=name, name=f"{name}'s phone", recorder=recorder, patience=patience)
            for name in names
        )
        self.scene = Scene(devices, guest, random.Random(seed), rest=rest)
        self.up = self.scene.up
        self.acknowledged = self.scene.acknowledged
        self.recorder = recorder
        self._workers: list[asyncio.Task[None]] = []
        self._listeners: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Set the scene, then let everybody loose. The service must be there."""
        scene = self.scene
        owner, *others = scene.devices
        for visibility in ("all", "all", "joined"):
            members = {each.user: "member" for each in others}
            created = await owner.record_create(members, historyVisibility=visibility)
            scene.conversations.append(created.answer["conversation"]["id"])
        self.up.set()
        self._listeners = [asyncio.create_task(habits.listen(scene, each)) for each in scene.everybody]
        work = [habits.invite_and_remove(scene), habits.read(scene), habits.edit(scene), habits.found(scene)]
        work += [habits.write(scene, device, number) for device in scene.devices for number in range(SENDERS)]
        work += [habits.poll(scene, device) for device in scene.pollers(POLLERS)]
        self._workers = [asyncio.create_task(each) for each in work]

    async def run_until_acknowledged(self, count: int) -> None:
        """Return once so many more sends were acknowledged; raise what goes wrong meanwhile."""
        await self._unless_broken(asyncio.create_task(self.acknowledged.wait_for(count)))

    async def run_for(self, seconds: float) -> None:
        """Return after so many seconds; raise what goes wrong meanwhile."""
        await self._unless_broken(asyncio.create_task(asyncio.sleep(seconds)))

    async def find_live(self, seconds: float) -> None:
        """Wait until everybody was live at some moment from now on. Raises ``TimeoutError``."""
        waited_for = set(self.scene.everybody)
        async with asyncio.timeout(seconds):
            while waited_for:
                waited_for -= {each for each in waited_for if each.socket is not None and each.socket.is_live}
                await asyncio.sleep(LOOK_SECONDS)

    async def drain(self) -> None:
        """Let everybody finish what he began, then read every stream to the log's end. The service must be there."""
        scene = self.scene
        scene.ending = True
        await asyncio.gather(*self._workers)
        await _cancel(self._listeners)
        end = await scene.devices[0].read_end()
        for device in scene.everybody:
            async with device.listen() as socket:
                await socket.reach(end)
                self.recorder.note(Drained(device.name, self.recorder.now))
            await device.record_conversations()
        for device in scene.pollers(POLLERS):
            await habits.finish_polling(scene, device)
        for conversation_id in scene.conversations:
            await scene.devices[1].record_messages(conversation_id, limit=200)

    async def _unless_broken(self, reached: asyncio.Task[None]) -> None:
        done, _ = await asyncio.wait([reached, *self._workers, *self._listeners], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        assert reached in done, "somebody stopped by himself"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in (*self._workers, *self._listeners):
            task.cancel()
        await asyncio.gather(*self._workers, *self._listeners, return_exceptions=True)
        for device in self.scene.everybody:
            await device.close()


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    """End tasks that run for ever; raise what they ended with before."""
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended
