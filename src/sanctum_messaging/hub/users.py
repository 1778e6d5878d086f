"""The users that the hub knows now: who is in which conversation, and who is to be told of an event.

A user is entered here *before* his memberships are read. What happens to them meanwhile is kept, and what lies above
the position of the read is applied after it, so that no change can fall between reading and listening.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sanctum_messaging.domain.events import (
    ConversationChange,
    Event,
    EventKind,
    Interval,
    Memberships,
    MessageChange,
    ParticipantChange,
    Signal,
    SignalKind,
)
from sanctum_messaging.domain.model import ConversationId, Cursor, Participant, Seq, TenantId, UserId
from sanctum_messaging.hub.arrivals import Arrivals
from sanctum_messaging.hub.user import User

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable

    from sanctum_messaging.ports.log import EventLog


_FROM_THE_START = (Interval(Seq(1)),)


class Users:
    """All users with connections or polls, by name and by conversation. Every method but ``load`` is synchronous."""

    def __init__(self, log: EventLog, *, linger_seconds: float, expect: Callable[[Cursor], Awaitable[bool]]) -> None:
        """``expect`` is told each end of the log that is read, and says whether to believe it; see ``LogTail``."""
        self._log = log
        self._expect = expect
        self._linger = linger_seconds
        self._users: dict[tuple[TenantId, UserId], User] = {}
        self._members: dict[ConversationId, set[User]] = {}
        self._arrivals = Arrivals(self._read)
        self._loading: set[User] = set()
        self._epoch = 0
        self._idle: dict[User, float] = {}

    def hold(self, tenant: TenantId, name: UserId) -> User:
        """Enter a user, or find him; ``release`` him as often."""
        user = self._users.get((tenant, name))
        if user is None:
            user = self._users[tenant, name] = User(tenant, name)
        user.uses += 1
        self._idle.pop(user, None)
        return user

    def release(self, user: User, now: float) -> None:
        """Let go of a user; he lingers, so that the next poll need not read his memberships again."""
        user.uses -= 1
        if not user.uses:
            self._idle[user] = now

    def expire(self, now: float) -> None:
        """Forget those who have lingered long enough; the longest idle come first."""
        while self._idle:
            user = next(iter(self._idle))
            if now - self._idle[user] < self._linger:
                return
            self._unload(user)
            del self._idle[user], self._users[user.tenant, user.name]

    async def load(self, user: User) -> Cursor:
        """Make sure that a user's memberships are known; return an end of the log that is not older than the call.

        Both together: whoever waits until the tail has reached the cursor has seen all that was acknowledged before.
        """
        while True:
            head = await self._arrivals.join(user)
            # If the log became another one since it was read, or his memberships can't be told any more, he is not.
            if head is not None and user.loaded:
                return head

    @property
    def statements(self) -> int:
        """How many statements read the memberships and the log's end, each for all who came at a time."""
        return self._arrivals.statements

    def audience(self, event: Event) -> Collection[User]:
        """List who is to be told of an event; to be used before anyone is let in or out."""
        members = self._members.get(event.conversation_id, ())
        match event.body:
            case ParticipantChange(private=True) | MessageChange(joined_only=True):
                return [user for user in members if user.sees(event)]
            case _:
                return members

    def let_in(self, event: Event) -> Collection[User]:
        """Before an event is delivered: whom it adds is told of it. Return those who were not in before and are now."""
        for user in self._loading:
            user.kept.append(event)
        newcomers: list[User] = []
        for participant in _joining(event):
            joining = self._users.get((event.tenant, participant.user_id))
            if joining is not None and self._join(joining, event, participant):
                newcomers.append(joining)
        return newcomers

    def let_out(self, event: Event) -> None:
        """After an event was delivered: whom it removes has been told of it and is told of nothing more."""
        if event.kind in ENDING:
            for user in tuple(self._members.get(event.conversation_id, ())):
                if _ends(event, user):
                    self._leave(user, event)

    def hear(self, signal: Signal) -> Iterable[User]:
        """List who is to be told of a signal: of his own marker a reader is, of his own typing nobody."""
        for user in self._members.get(signal.conversation_id, ()):
            oneself = user.name == signal.user_id
            if oneself and signal.kind is SignalKind.TYPING:
                continue
            if oneself or not signal.to_self_only:
                yield user

    def wake_all(self) -> None:
        """Let all polls look again."""
        for user in self._users.values():
            user.wake()

    def forget_all(self) -> None:
        """The log is another one: nothing that was read from the old holds."""
        self._epoch += 1
        for user in self._users.values():
            self._unload(user)

    async def _read(self, users: Collection[User]) -> Cursor | None:
        """Read the memberships that are not known; none if what was read does not hold any more when it is there."""
        unknown = [user for user in users if not user.loaded]
        if not unknown:
            head = await self._log.read_head()
            return head if await self._expect(head) else None
        for user in unknown:
            user.kept = []
        epoch = self._epoch
        self._loading.update(unknown)
        try:
            found = await self._log.read_memberships([(user.tenant, user.name) for user in unknown])
        finally:
            self._loading.difference_update(unknown)
        # If it is believed, nothing was awaited since the read.
        if not await self._expect(found[0].head) or epoch != self._epoch:
            return None
        for user, memberships in zip(unknown, found, strict=True):
            # Whoever waited for him may have left meanwhile, and he with them.
            if user.uses:
                self._enter(user, memberships)
        return found[0].head

    def _enter(self, user: User, memberships: Memberships) -> None:
        """Take what was read, then what happened since; if that can't be told, he is to be read again."""
        user.loaded = True
        user.as_of, user.changed_at = memberships.head.position, memberships.changed_at
        # Most users of a conversation have been there from its beginning, and all of them hold its id.
        user.conversations = {
            ConversationId(sys.intern(each)): _FROM_THE_START if intervals == _FROM_THE_START else intervals
            for each, intervals in memberships.conversations.items()
        }
        for conversation_id in user.conversations:
            self._members.setdefault(conversation_id, set()).add(user)
        for event in user.kept:
            for participant in _joining(event):
                if (event.tenant, participant.user_id) == (user.tenant, user.name):
                    self._join(user, event, participant)
            if _ends(event, user):
                self._leave(user, event)
        user.kept = []
        # What was applied while he was not known woke none of his polls.
        user.wake()

    def _join(self, user: User, event: Event, participant: Participant) -> bool:
        """Let a user in; false if he is known to be in already, or nothing is known of him now."""
        if not user.loaded or event.position <= user.as_of:
            return False
        if participant.version > 1:
            # He was in it before, and in which intervals is known to the database alone.
            self._unload(user)
            return False
        user.conversations[event.conversation_id] = (Interval(event.seq),)
        user.changed_at = event.position
        self._members.setdefault(event.conversation_id, set()).add(user)
        return True

    def _leave(self, user: User, event: Event) -> None:
        if event.position <= user.as_of or event.conversation_id not in user.conversations:
            return
        del user.conversations[event.conversation_id]
        user.changed_at = event.position
        self._drop_member(event.conversation_id, user)

    def _unload(self, user: User) -> None:
        """Have a user's memberships read anew; his connections wait for that, and miss nothing by it."""
        user.loaded = False
        for conversation_id in user.conversations:
            self._drop_member(conversation_id, user)
        user.conversations = {}
        for receiver in tuple(user.live):
            receiver.fall_behind()
        user.wake()

    def _drop_member(self, conversation_id: ConversationId, user: User) -> None:
        members = self._members[conversation_id]
        members.discard(user)
        if not members:
            del self._members[conversation_id]


ENDING = frozenset((EventKind.PARTICIPANT_REMOVED, EventKind.CONVERSATION_DELETED))
"""After these somebody is let out."""


def _joining(event: Event) -> tuple[Participant, ...]:
    """List whom an event adds to its conversation."""
    match event.body:
        case ParticipantChange(participant=participant) if event.kind is EventKind.PARTICIPANT_ADDED:
            return (participant,)
        case ConversationChange(participants=participants) if event.kind is EventKind.CONVERSATION_CREATED:
            return participants
        case _:
            return ()


def _ends(event: Event, user: User) -> bool:
    """Tell whether an event of a user's conversation ends his membership."""
    match event.body:
        case ParticipantChange(participant=participant):
            return event.kind is EventKind.PARTICIPANT_REMOVED and participant.user_id == user.name
        case _:
            return event.kind is EventKind.CONVERSATION_DELETED
