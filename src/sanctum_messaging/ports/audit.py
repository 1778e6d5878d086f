"""The audit log: who used a service token, when, and for what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.domain.model import Actor, Millis, SessionId, TenantId, UserId

AUDIT_KEPT_MS = 90 * 24 * 3_600_000
"""How long a row is kept; until then the database itself refuses to delete it. The migrations hold the number too."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One use of a service token. ``bearer`` is whose token it is, ``act_as`` for whom it acted.

    ``action`` is the name of a route or of a frame: no path, no query and no text of anybody is in here.
    """

    id: str
    at: Millis
    tenant: TenantId
    bearer: UserId
    act_as: UserId | None
    token_id: str | None
    session: SessionId
    address: str | None
    action: str
    request_id: str


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which entries: not before a time, of a user or for him, and of these the newest."""

    since: Millis
    user: UserId | None
    limit: int


class AuditLog(Protocol):
    """Rows that are only ever added: the database refuses to change them, and to delete them before their time."""

    async def append(self, entries: Sequence[AuditEntry]) -> Sequence[None]:
        """Add entries in one commit, all or none; they are durable on return. Nothing is told of each but that.

        Raises:
            UnavailableError: nothing was added; with ``outcome_unknown``, perhaps all of it.
        """
        ...

    async def read(self, query: AuditQuery) -> Sequence[AuditEntry]:
        """Read entries, ascending by time.

        Raises:
            UnavailableError: it can't be read now.
        """
        ...


class AuditRecorder(Protocol):
    """Puts a use on record before it is performed, so that none can happen off the record."""

    async def record(self, actor: Actor, action: str, *, address: str | None = None, request_id: str = "") -> None:
        """Record that a service is about to do something; durable on return, whatever then becomes of it.

        Calls are recorded in the order in which they were made, and return in that order.

        Raises:
            UnavailableError: it is not on record, so it must not be done.
        """
        ...
