"""Who is on a connection: proven by ``hello``, renewed by ``auth``, gone with ``bye``."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sanctum_messaging.domain.errors import ForbiddenError, RateLimitedError, RevokedError, UnauthenticatedError
from sanctum_messaging.hub.callables import Credentials, Stage
from sanctum_messaging.hub.opening import ANOTHER_CALLER, open_stream
from sanctum_messaging.protocol.codes import CloseCode
from sanctum_messaging.protocol.session import Phase

if TYPE_CHECKING:
    from sanctum_messaging.domain.errors import SanctumError
    from sanctum_messaging.domain.model import Actor
    from sanctum_messaging.hub.delivery import Delivery
    from sanctum_messaging.hub.opening import Handshake, Opening
    from sanctum_messaging.hub.owner import Owner
    from sanctum_messaging.hub.registry import Parts
    from sanctum_messaging.protocol.frames import Auth, Hello
    from sanctum_messaging.protocol.session import ServerSession


class Caller:
    """The user behind a socket, and the stream that he has opened on it."""

    __slots__ = (
        "_delivery",
        "_handshake",
        "_owner",
        "_parts",
        "_proven",
        "_session",
        "actor",
        "id",
        "opening",
        "refused",
    )

    def __init__(
        self, parts: Parts, owner: Owner, handshake: Handshake, *, session: ServerSession, delivery: Delivery
    ) -> None:
        """Nobody is known but by the handshake, if by that."""
        self._parts = parts
        self._owner = owner
        self._handshake = handshake
        self._session = session
        self._delivery = delivery
        self._proven: Actor | None = None
        """Whose the token of a ``hello`` was, though it may have been refused."""
        self.id = secrets.token_hex(16)
        """Names the connection."""
        self.actor: Actor | None = None
        self.opening: Opening | None = None
        self.refused: str | None = None
        """Why a token was refused, the last time that one was."""

    @property
    def known(self) -> Actor | None:
        """Who it is, as far as any token has said so."""
        return self.actor or self._handshake.actor or self._proven

    def part(self) -> None:
        """Let go of the connection, once it is over: two that hold each other outlive their use."""
        del self._owner, self._delivery

    async def open(self, hello: Hello) -> bool:
        """Find out who it is, and start his stream; if he may have none, close, and return false."""
        try:
            parts = self._parts
            opening = await open_stream(parts.callables, parts.source, self._handshake, hello, tell=self._prove)
        except (ForbiddenError, RevokedError) as error:
            return self._turn_away(error, CloseCode.FORBIDDEN)
        except UnauthenticatedError as error:
            return self._turn_away(error, CloseCode.UNAUTHENTICATED)
        except RateLimitedError as error:
            return self._turn_away_guesser(error)
        return self._begin(opening)

    async def refresh(self, frame: Auth) -> bool:
        """Take a fresh token of the same caller. Refused, the old expiry stands; as one too many, it ends the socket.

        Raises:
            UnauthenticatedError: it is not valid, or somebody else's.
            RevokedError: it was withdrawn.
        """
        credentials = Credentials(frame.token, self._handshake.act_as, Stage.RENEWAL)
        try:
            actor = await self._parts.callables.authenticate(credentials, self._handshake.origin, self._handshake.peer)
        except RateLimitedError as error:
            return self._turn_away_guesser(error)
        known = self.actor
        if known is None or (known.tenant, known.user, known.device) != (actor.tenant, actor.user, actor.device):
            raise UnauthenticatedError(refused=ANOTHER_CALLER)
        if self._parts.callables.is_revoked(actor):
            raise RevokedError
        self.actor = actor
        return True

    async def leave(self) -> None:
        """Come back to nothing: the session is dropped."""
        if self.opening is not None:
            await self.opening.resume.drop("bye")

    def end_if_revoked(self) -> None:
        """Close if the token that this connection rests on was withdrawn."""
        actor = self.actor or self._handshake.actor
        if actor is not None and self._parts.callables.is_revoked(actor):
            self.refused = RevokedError.refused
            self._owner.close(CloseCode.FORBIDDEN)

    def _prove(self, actor: Actor) -> None:
        self._proven = actor

    def _turn_away_guesser(self, error: RateLimitedError) -> bool:
        """Close where too many tokens were refused, this one among them; any other limit is for the caller to tell.

        Whoever guesses needs a socket for each then, and those are few.
        """
        if not isinstance(error.__cause__, UnauthenticatedError):
            raise error
        return self._turn_away(error, CloseCode.UNAUTHENTICATED)

    def _turn_away(self, error: SanctumError, code: CloseCode) -> bool:
        """Close, and keep why for the log; false, since there is no stream."""
        self.refused = error.refused
        self._owner.close(code)
        return False

    def _begin(self, opening: Opening) -> bool:
        """Start the stream; nothing is awaited since the log was looked at."""
        self.actor, self.opening = opening.actor, opening
        if self._session.phase is Phase.CLOSING:
            # It was closed in this very turn, before its tasks could be ended.
            return False
        if self._parts.callables.is_revoked(opening.actor):
            self.refused = RevokedError.refused
            self._owner.close(CloseCode.FORBIDDEN)
            return False
        if not opening.holds or not self._parts.registry.claim(opening.resume, self._owner):
            self._owner.close(CloseCode.REPLACED)
            return False
        settings = self._parts.source.settings
        now = settings.monotonic()
        if not self._parts.registry.seat(opening.user, self._owner, most=settings.connections_per_user, now=now):
            self._owner.close(CloseCode.TOO_MANY_CONNECTIONS)
            return False
        self._session.welcome(now, opening.start.position)
        self._delivery.reply(opening.welcome(self.id, settings))
        self._delivery.start(opening.user, opening.start)
        if opening.lost is not None:
            self._delivery.start_over(opening.lost, opening.start)
        return True
