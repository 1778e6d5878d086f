"""Where the hub keeps what a client needs to come back: a few hundred bytes, no messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from sanctum_messaging.domain.model import Actor, Cursor, DeviceId, SessionId, TenantId, UserId

DropReason = Literal["bye", "revoked", "replaced"]


@dataclass(frozen=True, slots=True)
class ResumeState:
    """Whose stream it is, the cursor he last acknowledged, and how often the session was resumed."""

    tenant: TenantId
    user: UserId
    device: DeviceId
    session: SessionId
    cursor: Cursor
    generation: int


@dataclass(frozen=True, slots=True)
class Takeover:
    """A session was resumed: whoever holds an older generation of it, on any instance, is replaced."""

    session: str
    """The part of the resume token that all generations have in common."""
    generation: int


class ResumeStore(Protocol):
    """Resume tokens are ``<id>.<generation>.<secret>``; only a hash of the secret is stored.

    Each welcome carries a token of a new generation; the one before stays valid for 60 s, since a lost welcome must not
    burn the session. A token is no credential: a valid access token is always needed too.
    """

    async def load(self, resume_token: str, actor: Actor) -> tuple[ResumeState, str] | None:
        """Take the session over: raise the generation and return the state with its new token.

        None if the token is unknown, expired or superseded, or if tenant, user or device differ. Atomic: of two
        simultaneous loads each gets a generation of its own, and only the higher one can persist from then on.
        """
        ...

    async def persist(self, resume_token: str, state: ResumeState, ttl_seconds: int) -> bool:
        """Store the state; false, and nothing written, if a newer generation is stored."""
        ...

    async def drop(self, resume_token: str, reason: DropReason) -> None:
        """Forget the session, if the token's generation is the stored one or newer."""
        ...
