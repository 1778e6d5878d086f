"""What an instance knows of tokens beyond their signatures: which were withdrawn, and what services do with theirs."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sanctum_messaging.config import ConfigError, Fault
from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.guards.revocations import KnownRevocations
from sanctum_messaging.workers.audit import AuditWriter
from sanctum_messaging.workers.revocations import RevocationFollower

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from sanctum_messaging.bootstrap.storage import Storage
    from sanctum_messaging.domain.model import Actor
    from sanctum_messaging.hub.callables import OnFrame
    from sanctum_messaging.ports.audit import AuditRecorder
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.protocol.frames import Read, Send, Typing
    from sanctum_messaging.protocol.results import FrameResult


class TokenWatch:
    """The revocations known here, followed while ``following``; and the audit log, whose writer the instance runs."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self.known = KnownRevocations()
        self.audit = AuditWriter(storage.audit, clock)
        self._follower = RevocationFollower(storage.revocations, self.known, clock, on_new=self._tell)
        self._end_revoked: Callable[[], None] | None = None

    @property
    def is_current(self) -> bool:
        """Whether it is known what was revoked up to a moment ago."""
        return self._follower.is_current

    def attach(self, end_revoked: Callable[[], None]) -> None:
        """Have a hub end what rests on a token that was withdrawn."""
        self._end_revoked = end_revoked

    async def catch_up(self) -> None:
        """Enforce everything that was revoked before the call.

        Raises:
            UnavailableError: the database does not tell.
        """
        await self._follower.catch_up()

    @asynccontextmanager
    async def following(self) -> AsyncGenerator[None]:
        """Learn what is revoked, and go on learning.

        Raises:
            ConfigError: it can't be read now, so nobody may be let in.
        """
        try:
            await self.catch_up()
        except UnavailableError as error:
            raise ConfigError(Fault("DATABASE_URL", error.detail)) from error
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(self._follower.run())
            try:
                yield
            finally:
                following.cancel()

    def _tell(self) -> None:
        if self._end_revoked is not None:
            self._end_revoked()


def recorded(on_frame: OnFrame, audit: AuditRecorder) -> OnFrame:
    """Put the frames of services on record before they are performed.

    They keep their order: they are recorded in that of their arrival, and performed in that of their records.
    """

    async def on_frame_of_service(actor: Actor, frame: Send | Read | Typing) -> FrameResult:
        await audit.record(actor, str(type(frame).__struct_config__.tag))
        return await on_frame(actor, frame)

    def on_recorded_frame(actor: Actor, frame: Send | Read | Typing) -> Awaitable[FrameResult]:
        return (on_frame_of_service if actor.service else on_frame)(actor, frame)

    return on_recorded_frame
