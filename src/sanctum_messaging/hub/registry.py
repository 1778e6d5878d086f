"""The connections of a hub, and what they share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sanctum_messaging.protocol.codes import CloseCode
from sanctum_messaging.protocol.session import Phase

if TYPE_CHECKING:
    from sanctum_messaging.hub.callables import Callables
    from sanctum_messaging.hub.catch_up import Source
    from sanctum_messaging.hub.connection import Connection
    from sanctum_messaging.hub.owner import Owner
    from sanctum_messaging.hub.resume import Resume
    from sanctum_messaging.hub.user import User
    from sanctum_messaging.observability.hot_events import WriteEvent
    from sanctum_messaging.ports.resume_store import Takeover


class Registry:
    """All connections, and which of them holds which resumable session."""

    def __init__(self) -> None:
        self.connections: set[Connection] = set()
        self._holders: dict[str, tuple[Resume, Owner]] = {}
        self._seated: dict[User, dict[Owner, None]] = {}
        self.empty = asyncio.Event()
        self.empty.set()

    def enter(self, connection: Connection) -> None:
        """Add a connection."""
        self.connections.add(connection)
        self.empty.clear()

    def leave(self, connection: Connection) -> None:
        """Take a connection out."""
        self.connections.discard(connection)
        if not self.connections:
            self.empty.set()

    def claim(self, resume: Resume, owner: Owner) -> bool:
        """Give a session to a connection and close who held it; false if that one came later than the claimant."""
        held = self._holders.get(resume.id)
        if held is not None:
            holder, other = held
            if holder.generation > resume.generation:
                return False
            other.close(CloseCode.REPLACED)
        self._holders[resume.id] = (resume, owner)
        return True

    def find_superseded(self, takeover: Takeover) -> Owner | None:
        """Find who holds an older generation of a session that another instance has resumed."""
        held = self._holders.get(takeover.session)
        return held[1] if held is not None and held[0].generation < takeover.generation else None

    def give_up(self, resume: Resume) -> None:
        """Let go of a session, if it has not passed on to another connection."""
        held = self._holders.get(resume.id)
        if held is not None and held[0] is resume:
            del self._holders[resume.id]

    def seat(self, user: User, owner: Owner, *, most: int, now: float) -> bool:
        """Count a connection of a user; false if he has as many as he may, and all of them are alive.

        The eldest whose client seems to be gone makes room for one that surely is there.
        """
        others = [each for each in self._seated.get(user, ()) if each.phase is not Phase.CLOSING]
        if most and len(others) >= most:
            doubtful = next((each for each in others if each.is_doubtful(now)), None)
            if doubtful is None:
                return False
            doubtful.close(CloseCode.HEARTBEAT)
        self._seated.setdefault(user, {})[owner] = None
        return True

    def let_go(self, user: User, owner: Owner) -> None:
        """Count a connection of a user no more, if it was."""
        seated = self._seated.get(user, {})
        seated.pop(owner, None)
        if not seated:
            self._seated.pop(user, None)


@dataclass(frozen=True, slots=True)
class Parts:
    """What every connection of a hub works with."""

    callables: Callables
    source: Source
    registry: Registry = field(default_factory=Registry)
    write_event: WriteEvent = lambda _event, _fields: None
    """Writes into the log that a connection began, or ended."""
