"""Puts uses of service tokens on record, many in one commit, before they are performed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.ports.audit import AuditEntry
from sanctum_messaging.workers.coalescing import Coalescer

if TYPE_CHECKING:
    from sanctum_messaging.domain.model import Actor
    from sanctum_messaging.ports.audit import AuditLog
    from sanctum_messaging.ports.clock import Clock


class AuditWriter:
    """``ports.audit.AuditRecorder`` over an audit log. ``run`` must be running; ``close`` ends it."""

    def __init__(self, log: AuditLog, clock: Clock) -> None:
        """Write to a log."""
        self._clock = clock
        self._coalescer: Coalescer[AuditEntry, None] = Coalescer(log.append, clock)
        self.run = self._coalescer.run
        self.close = self._coalescer.close
        self.recorded = 0
        """Uses that are on record since the start."""

    @property
    def queued(self) -> int:
        """How many wait for a commit."""
        return self._coalescer.queued

    async def record(self, actor: Actor, action: str, *, address: str | None = None, request_id: str = "") -> None:
        """Record a use; see the port."""
        entry = AuditEntry(
            id=self._clock.new_id(),
            at=self._clock.now(),
            tenant=actor.tenant,
            bearer=actor.bearer,
            act_as=actor.user if actor.impersonating else None,
            token_id=actor.token_id,
            session=actor.session,
            address=address,
            action=action,
            request_id=request_id,
        )
        try:
            await self._coalescer.submit(entry)
        except UnavailableError as error:
            if error.code != "outcome_unknown":
                raise
            # The record may be there, but the use is not going to happen.
            raise UnavailableError("The use of the token can't be put on record now.") from error
        self.recorded += 1
