"""A hub over a real store, with real writers, and what tests need to make things happen in it.

The hub hears of commits as in the service, unless a test holds them back: what is held is on disk and not yet heard of.
"""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from sanctum_messaging.actions.conversations import (
    ConversationPatch,
    NewConversation,
    create_conversation,
    delete_conversation,
    update_conversation,
)
from sanctum_messaging.actions.decisions import VersionMatch
from sanctum_messaging.actions.memberships import NewParticipant, add_participants, remove_participant
from sanctum_messaging.actions.messages import MessageEdit, NewMessage, delete_message, edit_message, send_message
from sanctum_messaging.actions.participants import ParticipantPatch, update_participant
from sanctum_messaging.adapters.sqlite.resume_store import SQLiteResumeStore
from sanctum_messaging.api.socket_frames import create_on_frame
from sanctum_messaging.domain.errors import ForbiddenError, RevokedError, UnauthenticatedError
from sanctum_messaging.domain.model import (
    Actor,
    ConversationId,
    ConversationKind,
    HistoryVisibility,
    Message,
    Millis,
    UserId,
)
from sanctum_messaging.hub.callables import admit_all, take_all_on
from sanctum_messaging.hub.hub import WebSocketHub
from sanctum_messaging.hub.settings import HubSettings
from sanctum_messaging.ports import Ports
from sanctum_messaging.workers.coalescing import ReadMarkerWriter
from sanctum_messaging.workers.participant_cache import ParticipantCache
from sanctum_messaging.workers.writer import Writer
from tests.acting import actor

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence

    from sanctum_messaging.adapters.sqlite.database import Database
    from sanctum_messaging.domain.events import Committed, Event, Memberships, Signal
    from sanctum_messaging.domain.model import Cursor, Position, TenantId
    from sanctum_messaging.hub.callables import AdmitFrame, Credentials, OnFrame, PersistResumeState, TakeOn
    from sanctum_messaging.ports.log import CursorState, StreamPage
    from sanctum_messaging.ports.resume_store import ResumeState, Takeover
    from sanctum_messaging.ports.store import Store
    from sanctum_messaging.protocol.frames import Read, Send, Typing
    from sanctum_messaging.protocol.results import FrameResult
    from tests.conftest import HandClock

ANY = VersionMatch(None)
R = TypeVar("R")
_numbers = itertools.count(1)


class Hold:
    """A read whose answer is there and not yet given: what happens meanwhile, it does not know of."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.released = asyncio.Event()


class WatchedLog:
    """A store's log that tells what was read and can keep answers back."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reads: list[str] = []
        self._holds: dict[str, Hold] = {}

    def hold(self, read: str) -> Hold:
        """Keep back the next answer of a read."""
        self._holds[read] = Hold()
        return self._holds[read]

    async def read_head(self) -> Cursor:
        return await self._watch("read_head", self._store.read_head())

    async def check_cursor(self, cursor: Cursor) -> CursorState:
        return await self._watch("check_cursor", self._store.check_cursor(cursor))

    async def read_memberships(self, users: Sequence[tuple[TenantId, UserId]]) -> Sequence[Memberships]:
        return await self._watch("read_memberships", self._store.read_memberships(users))

    async def read_stream(
        self, tenant: TenantId, user: UserId, *, after: Position, upto: Position, limit: int
    ) -> StreamPage:
        reading = self._store.read_stream(tenant, user, after=after, upto=upto, limit=limit)
        return await self._watch("read_stream", reading)

    async def read_tenant_stream(self, tenant: TenantId, *, after: Position, upto: Position, limit: int) -> StreamPage:
        reading = self._store.read_tenant_stream(tenant, after=after, upto=upto, limit=limit)
        return await self._watch("read_tenant_stream", reading)

    async def follow(self, after: Cursor, *, limit: int) -> Sequence[Event] | None:
        return await self._watch("follow", self._store.follow(after, limit=limit))

    async def read_newest(self, limit: int) -> Sequence[Event]:
        return await self._watch("read_newest", self._store.read_newest(limit))

    async def _watch(self, name: str, reading: Awaitable[R]) -> R:
        self.reads.append(name)
        answer = await reading
        hold = self._holds.pop(name, None)
        if hold is not None:
            hold.entered.set()
            await hold.released.wait()
        return answer


class World:
    """A service without sockets: its actions, and the hub that hears of what they do."""

    def __init__(self, store: Store, database: Database, clock: HandClock, **settings: object) -> None:
        self.store = store
        self.log = WatchedLog(store)
        self.clock = clock
        self.resume_store = SQLiteResumeStore(database, clock)
        self.actors: dict[str, Actor] = {}
        """What tokens prove, where it is more than the user that they are named after."""
        self.revoked: set[str] = set()
        """The users whose tokens are withdrawn; the hub learns of it when it is told to look."""
        self.distrusted: set[str] = set()
        """The users whose tokens were proven by a key that is withdrawn."""
        self.forbidden_origin = "https://evil.example"
        self.writer = Writer(store, self.publish, clock)
        self.markers = ReadMarkerWriter(store, clock)
        self.participants = ParticipantCache(store, clock)
        self.ports = Ports(
            store=store,
            log=self.writer,
            markers=self.markers,
            participants=self.participants,
            bus=self,
            clock=clock,
        )
        self.on_frame: OnFrame = create_on_frame(self.ports)
        self.admit_frame: AdmitFrame = admit_all
        self.persist: PersistResumeState = self.resume_store.persist
        self.take_on: TakeOn = take_all_on
        """These four a test may replace at any time."""
        self.settings = HubSettings(now=clock.now, monotonic=clock.monotonic, tick_seconds=3_600, hole_seconds=0)
        self.settings = replace(self.settings, **settings)  # type: ignore[arg-type]  # test data
        self.sweep_seconds: float | None = None
        """How long the hub waits before it looks at the database; none: it appends alone."""
        self.invalidated: list[ConversationId | None] = []
        self.hub = self.new_hub()
        self.committed: list[Committed] = []
        self._held: list[Committed] | None = None

    def new_hub(self) -> WebSocketHub:
        """Make another hub over the same log, as after a restart."""
        return WebSocketHub(
            authenticate=self.authenticate,
            load_resume_state=self.resume_store.load,
            persist_resume_state=self._persist,
            drop_resume_state=self.resume_store.drop,
            log=self.log,
            on_frame=self._perform,
            admit_frame=self._admit,
            is_revoked=self.is_revoked,
            is_trusted=lambda who: who.bearer not in self.distrusted,
            take_on=self._take_on,
            settings=self.settings,
            sweep_seconds=lambda: self.sweep_seconds,
            invalidate=self._invalidate,
        )

    async def authenticate(self, credentials: Credentials, origin: str | None, peer: str | None) -> Actor:
        """Take any word for the token of the user of that name, but for ``bad`` ones."""
        if origin is not None and origin == self.forbidden_origin:
            raise ForbiddenError("Not from there.", code="origin_not_allowed")
        token = credentials.token
        if not token or token.startswith("bad"):
            raise UnauthenticatedError
        found = self.actors.get(token) or actor(token)
        if self.is_revoked(found):
            raise RevokedError
        if credentials.act_as is None:
            return found
        if not found.service:
            raise ForbiddenError("Not you.", code="act_as_not_allowed")
        return replace(found, user=UserId(credentials.act_as), impersonating=True)

    def is_revoked(self, who: Actor, /) -> bool:
        """Tell whether a caller's token is withdrawn."""
        return who.bearer in self.revoked

    def _take_on(self, peer: str | None, /) -> Callable[[], None]:
        return self.take_on(peer)

    def _perform(self, who: Actor, frame: Send | Read | Typing, /) -> Awaitable[FrameResult]:
        return self.on_frame(who, frame)

    def _admit(self, who: Actor, frame: Send | Read | Typing, /) -> Awaitable[None] | None:
        return self.admit_frame(who, frame)

    async def _persist(self, token: str, state: ResumeState, ttl: int, /) -> bool:
        return await self.persist(token, state, ttl)

    def _invalidate(self, conversation_id: ConversationId | None) -> None:
        self.invalidated.append(conversation_id)
        self.participants.invalidate(conversation_id)

    def publish(self, committed: Committed) -> None:
        """Hear of a commit, as a bus does."""
        self.committed.append(committed)
        if self._held is None:
            self.hub.apply(committed)
        else:
            self._held.append(committed)

    def signal(self, signal: Signal) -> None:
        """Hear of a signal."""
        self.hub.apply_signal(signal)

    def announce(self, takeover: Takeover) -> None:
        """Hear of a takeover."""
        self.hub.apply_takeover(takeover)

    @contextmanager
    def unheard(self) -> Generator[list[Committed]]:
        """Keep commits from the hub; whoever wants it to hear of them afterwards applies what is held."""
        try:
            yield self.begin_silence()
        finally:
            self.end_silence()

    def begin_silence(self) -> list[Committed]:
        """Keep commits from the hub from now on; what is held is returned and grows."""
        self._held = []
        return self._held

    def end_silence(self) -> None:
        """Let the hub hear of commits again."""
        self._held = None

    @property
    def events(self) -> list[Event]:
        """All events that were committed, in order."""
        return [event for committed in self.committed for event in committed.events]

    async def create(
        self, owner: str, *others: str, visibility: HistoryVisibility = HistoryVisibility.ALL
    ) -> ConversationId:
        """Create a group."""
        named = tuple(NewParticipant(UserId(name)) for name in others)
        new = NewConversation(ConversationKind.GROUP, named, visibility=visibility)
        appended = await create_conversation(self.ports, actor(owner), new)
        assert appended.answer.conversation is not None
        return appended.answer.conversation.id

    async def send(self, group: ConversationId, sender: str, body: str = "Hello") -> Message:
        """Send a message."""
        new = NewMessage(group, f"c-{next(_numbers)}", body, "text", "{}")
        return (await send_message(self.ports, actor(sender), new)).message

    async def send_many(self, group: ConversationId, sender: str, count: int, body: str = "Hello") -> None:
        """Send messages, in few commits."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(count):
                tasks.create_task(self.send(group, sender, body))

    async def edit(self, message: Message, body: str) -> Message:
        """Edit a message."""
        return await edit_message(self.ports, actor(message.sender_id), message.id, edit=MessageEdit(body), match=ANY)

    async def delete(self, message: Message) -> None:
        """Delete a message."""
        await delete_message(self.ports, actor(message.sender_id), message.id, match=ANY)

    async def add(self, group: ConversationId, owner: str, *names: str) -> None:
        """Add participants."""
        added = [NewParticipant(UserId(name)) for name in names]
        await add_participants(self.ports, actor(owner), group, added=added)

    async def remove(self, group: ConversationId, owner: str, name: str) -> None:
        """Remove a participant."""
        await remove_participant(self.ports, actor(owner), group, user_id=UserId(name))

    async def mute(self, group: ConversationId, name: str) -> None:
        """Change what nobody else sees."""
        patch = ParticipantPatch(muted=True)
        await update_participant(self.ports, actor(name), group, user_id=UserId(name), patch=patch)

    async def rename(self, group: ConversationId, owner: str, title: str) -> None:
        """Change the title."""
        patch = ConversationPatch(title=title)
        await update_conversation(self.ports, actor(owner), group, patch=patch, match=ANY)

    async def show_history(self, group: ConversationId, owner: str, visibility: HistoryVisibility) -> None:
        """Change how far back participants see."""
        patch = ConversationPatch(visibility=visibility)
        await update_conversation(self.ports, actor(owner), group, patch=patch, match=ANY)

    async def delete_conversation(self, group: ConversationId, owner: str) -> None:
        """Delete a conversation."""
        await delete_conversation(self.ports, actor(owner), group, match=ANY)

    def pass_time(self, seconds: float) -> None:
        """Move the clock and have the hub look at it."""
        self.clock.advance(seconds)
        self.hub.tick()

    def expiring(self, name: str, seconds: float) -> Actor:
        """Make a caller whose token expires."""
        return replace(actor(name), expires_at=Millis(self.clock.now() + int(seconds * 1000)))


@asynccontextmanager
async def running_world(world: World) -> AsyncGenerator[World]:
    """Run the writers and the hub."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(world.writer.run())
        tasks.create_task(world.markers.run())
        await world.participants.start()
        try:
            async with world.hub:
                yield world
        finally:
            await world.participants.stop()
            world.writer.close()
            world.markers.close()
