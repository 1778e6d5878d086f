"""What happens on ``hello``: who it is, what he comes back to, and from where his stream goes on."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sanctum_messaging.domain.errors import UnauthenticatedError
from sanctum_messaging.domain.model import Actor, Cursor, Millis
from sanctum_messaging.hub.callables import Credentials, Stage, leave_nothing
from sanctum_messaging.hub.resume import Resume, open_resume
from sanctum_messaging.presenters import present_time
from sanctum_messaging.protocol.codec import MAX_FRAME_BYTES
from sanctum_messaging.protocol.frames import Limits, Welcome
from sanctum_messaging.protocol.scalars import MAX_BODY_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sanctum_messaging.hub.callables import Callables
    from sanctum_messaging.hub.catch_up import Source
    from sanctum_messaging.hub.settings import HubSettings
    from sanctum_messaging.hub.user import User
    from sanctum_messaging.protocol.frames import Hello

ANOTHER_CALLER = "another caller than the socket's"
"""Why a token is refused that proves somebody else than the one before it."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """What is known before the first frame; ``actor`` is none if the token is to come with ``hello``."""

    actor: Actor | None = None
    act_as: str | None = None
    origin: str | None = None
    peer: str | None = None
    leave: Callable[[], None] = leave_nothing
    """Gives the place of the socket back, once it is over."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A stream that can begin. ``user`` is held and has to be released."""

    actor: Actor
    user: User
    resume: Resume
    start: Cursor
    lost: Literal["too_old", "diverged"] | None
    """Why the stream can't go on from the client's cursor, but starts at the log's end."""
    holds: bool
    """Whether the session is still ours: another socket may have taken it over meanwhile."""

    def welcome(self, session_id: str, settings: HubSettings) -> Welcome:
        """Say what the client has to know."""
        return Welcome(
            session_id=session_id,
            resume_token=self.resume.token,
            resumed=self.resume.resumed,
            cursor=str(self.start),
            user=self.actor.user,
            heartbeat_ms=settings.heartbeat_ms,
            limits=Limits(
                frame_bytes=MAX_FRAME_BYTES,
                body_characters=MAX_BODY_CHARACTERS,
                sends_in_flight=settings.frames_in_flight,
            ),
            server_time=present_time(Millis(settings.now())),
        )


async def open_stream(
    callables: Callables, source: Source, handshake: Handshake, hello: Hello, *, tell: Callable[[Actor], object]
) -> Opening:
    """Prepare a stream. Between the last look at the log and the return nothing is awaited.

    ``tell`` learns whose the token of ``hello`` is, once that is proven.

    Raises:
        UnauthenticatedError: no valid token, or one of another user than the handshake's.
        ForbiddenError: the origin or ``Act-As`` is not allowed.
        RateLimitedError: the user opens too many, and another ``hello`` may follow; or too many tokens were refused,
            and the cause is that this one was, too.
        InvalidCursorError: the cursor was never given out.
        UnavailableError: it can't be done now.
    """
    actor = await _identify(callables, handshake, hello.token, tell)
    wanted = None if hello.cursor is None else Cursor.parse(hello.cursor)
    with ExitStack() as undo:
        user = source.users.hold(actor.tenant, actor.user)
        undo.callback(lambda: source.users.release(user, source.settings.monotonic()))
        head = await source.users.load(user)
        resume = await open_resume(callables, source.settings, actor, token=hello.resume_token, start=head)
        if wanted is None and resume.resumed:
            wanted = resume.cursor
        while True:
            epoch = source.tail.epoch
            await source.tail.reach(head.position)
            start, lost = await _locate(source, wanted, head)
            # Who is told to start over has not done so before he acknowledges it.
            resume.cursor = start if lost is None or wanted is None else wanted
            holds = await resume.persist()
            if epoch == source.tail.epoch:
                break
            head = await source.users.load(user)
        undo.pop_all()
    return Opening(actor, user, resume, start, lost, holds)


async def _identify(
    callables: Callables, handshake: Handshake, token: str | None, tell: Callable[[Actor], object]
) -> Actor:
    known = handshake.actor
    if token is None:
        if known is None:
            raise UnauthenticatedError(refused="no token")
        return known
    stage = Stage.HELLO if known is None else Stage.RENEWAL
    credentials = Credentials(token, handshake.act_as, stage, tell)
    actor = await callables.authenticate(credentials, handshake.origin, handshake.peer)
    if known is not None and (known.tenant, known.user) != (actor.tenant, actor.user):
        raise UnauthenticatedError(refused=ANOTHER_CALLER)
    return actor


async def _locate(
    source: Source, wanted: Cursor | None, head: Cursor
) -> tuple[Cursor, Literal["too_old", "diverged"] | None]:
    """Find where the stream starts: at the cursor if the log holds what follows it, else at the log's end."""
    if wanted is None:
        return head, None
    state = await source.tail.check_cursor(wanted)
    return (wanted, None) if state == "ok" else (head, state)
