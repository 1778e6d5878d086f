"""What the hub is given: who is calling, what is kept for who comes back, and what to do with frames that say more."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sanctum_messaging.domain.model import Actor
    from sanctum_messaging.ports.resume_store import DropReason, ResumeState
    from sanctum_messaging.protocol.frames import Read, Send, Typing
    from sanctum_messaging.protocol.results import FrameResult


class Stage(Enum):
    """When credentials come."""

    HANDSHAKE = auto()
    HELLO = auto()
    """With ``hello``, where the handshake brought none."""
    RENEWAL = auto()
    """On a socket whose caller is known, to prove him anew."""


def _ignore(_actor: Actor) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client says to prove who it is; ``act_as`` names the user for whom a service token acts."""

    token: str | None = field(repr=False)
    act_as: str | None = None
    stage: Stage = Stage.HANDSHAKE
    tell: Callable[[Actor], object] = field(default=_ignore, repr=False)
    """Learns who it is as soon as that is proven, whatever he is then refused for."""


class Authenticate(Protocol):
    """Proves credentials, at the handshake, at ``hello`` and at ``auth``."""

    async def __call__(self, credentials: Credentials, origin: str | None, peer: str | None) -> Actor:
        """Return who is calling. The origin is checked first, since it is asked for without a token too.

        Raises:
            ForbiddenError: ``origin_not_allowed``, or ``act_as_not_allowed``.
            UnauthenticatedError: no token, or one that is not valid.
            RateLimitedError: not so often; if a refused token was one too many, that is the cause.
            UnavailableError: nothing can be proven now.
        """
        ...


class LoadResumeState(Protocol):
    """Takes a session over; ``ports.resume_store.ResumeStore.load``."""

    async def __call__(self, resume_token: str, actor: Actor, /) -> tuple[ResumeState, str] | None:
        """Raise the generation and return the state with its new token; none if there is nothing for this actor."""
        ...


class PersistResumeState(Protocol):
    """Keeps a session; ``ports.resume_store.ResumeStore.persist``."""

    async def __call__(self, resume_token: str, state: ResumeState, ttl_seconds: int, /) -> bool:
        """Store the state; false if the session was taken over."""
        ...


class DropResumeState(Protocol):
    """Forgets a session; ``ports.resume_store.ResumeStore.drop``."""

    async def __call__(self, resume_token: str, reason: DropReason, /) -> None:
        """Forget it, unless it was taken over."""
        ...


class TakeOn(Protocol):
    """Looks at a handshake before anything is done for it: can this instance bear another socket of that address."""

    def __call__(self, peer: str | None, /) -> Callable[[], None]:
        """Take a handshake on, and return what is called once: when its socket is over, or did not come to be.

        Raises:
            RateLimitedError: the address has as many sockets as it may.
            UnavailableError: ``overloaded``; later it may be taken on. The hub itself adds ``stopping``.
        """
        ...


def take_all_on(_peer: str | None, /) -> Callable[[], None]:
    """Take every handshake on; a ``TakeOn`` for a hub that others protect."""
    return leave_nothing


def leave_nothing() -> None:
    """Give no place back, since none was counted."""


class AdmitFrame(Protocol):
    """Looks at what a client asks for before it is begun: may he, and who should know of it."""

    def __call__(self, actor: Actor, frame: Send | Read | Typing, /) -> Awaitable[None] | None:
        """Let a frame through: at once, or once what is returned was awaited.

        The next frame of the connection is not read before that, so it may wait.

        Raises:
            SanctumError: it is refused, by the call or by what it returns. Later frames are not.
        """
        ...


def admit_all(_actor: Actor, _frame: Send | Read | Typing, /) -> None:
    """Let every frame through; an ``AdmitFrame`` for a hub whose callers may do as they like."""


class OnFrame(Protocol):
    """Does what a client asks for beyond the stream itself."""

    def __call__(self, actor: Actor, frame: Send | Read | Typing, /) -> Awaitable[FrameResult]:
        """Perform a frame. Calls are made in the order in which frames arrived.

        So is the first step of what they return, up to its first suspension. An ``Underway`` has no steps, and the
        next frame follows at once; for anything else a task waits.

        Raises:
            SanctumError: it is refused, by the call or by what it returns; nothing happened.
        """
        ...


class IsRevoked(Protocol):
    """Knows which tokens were withdrawn, in memory: it is asked for every connection whenever there is a new one."""

    def __call__(self, actor: Actor, /) -> bool:
        """Tell whether the token of this caller was withdrawn."""
        ...


class IsTrusted(Protocol):
    """Knows which keys prove tokens, in memory: it is asked for every connection every few seconds."""

    def __call__(self, actor: Actor, /) -> bool:
        """Tell whether what proved the token of this caller has not been withdrawn since."""
        ...


@dataclass(frozen=True, slots=True)
class Callables:
    """All that the hub calls outside itself, the log aside."""

    authenticate: Authenticate
    load_resume_state: LoadResumeState
    persist_resume_state: PersistResumeState
    drop_resume_state: DropResumeState
    on_frame: OnFrame
    admit_frame: AdmitFrame
    is_revoked: IsRevoked
    is_trusted: IsTrusted
    take_on: TakeOn
