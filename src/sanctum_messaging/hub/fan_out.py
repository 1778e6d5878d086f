"""Hands each event to whom it is for; what follows one another in a conversation, in one go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.domain.events import OF_MEMBERSHIPS, MessageChange, ParticipantChange
from sanctum_messaging.hub.users import ENDING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from sanctum_messaging.domain.events import Event
    from sanctum_messaging.domain.model import ConversationId
    from sanctum_messaging.hub.catch_up import Delivered
    from sanctum_messaging.hub.ring import Entry
    from sanctum_messaging.hub.user import User
    from sanctum_messaging.hub.users import Users

_JOINED_BYTES = 16 * 1024


class FanOut:
    """Collects a run of events that all go to the same users, while events are applied.

    They are encoded, framed and joined once; for each recipient there is a reference more. Who is let in on the way is
    given what follows: five hundred users who are added at once are one run, and not a run each for thousands.
    """

    def __init__(self, users: Users) -> None:
        self._users = users
        self._conversation: ConversationId | None = None
        self._audience: Collection[User] = ()
        self._newcomers: list[tuple[User, int]] = []
        """Who was let in during the run, and behind how many of its events."""
        self._run: list[Entry] = []

    def add(self, entry: Entry) -> None:
        """Take the next event, and let in whom it adds: they are told of it. Whom it removes is let out after this."""
        event = entry.event
        alike = _is_for_all(event)
        if not alike or event.conversation_id != self._conversation:
            self.hand_out()
        newcomers = self._let_in(event) if event.kind in OF_MEMBERSHIPS else ()
        if self._conversation is None:
            self._audience, self._conversation = self._users.audience(event), event.conversation_id
        else:
            self._newcomers += [(user, len(self._run)) for user in newcomers]
        if self._audience or self._newcomers:
            self._run.append(entry)
        if not alike:
            self.hand_out()

    def forget(self) -> None:
        """Drop what was collected: nobody's stream goes on from here."""
        self._run, self._newcomers, self._conversation = [], [], None

    def hand_out(self) -> None:
        """Give the users what was collected: before it is for others, and when all is applied."""
        run, newcomers = self._run, self._newcomers
        self.forget()
        if not run:
            return
        _push(tuple(_join(run)), self._audience)
        for user, first in newcomers:
            _push(tuple([(each.event.cursor, each.frame, 1) for each in run[first:]]), (user,))

    def _let_in(self, event: Event) -> Collection[User]:
        if self._conversation is not None and not isinstance(self._audience, tuple):
            # It is the users' own, which is about to grow.
            self._audience = tuple(self._audience)
        return self._users.let_in(event)


def _push(events: Sequence[Delivered], audience: Collection[User]) -> None:
    size = sum([len(frames) for _, frames, _ in events])
    for user in audience:
        for receiver in user.live:
            receiver.push(events, size)
        if user.waiting:
            user.wake()


def _join(run: Sequence[Entry]) -> Iterator[Delivered]:
    """Put frames together that everybody is written in one piece, but none so large that it could not wait."""
    frames: list[bytes] = []
    room = _JOINED_BYTES
    last = run[0]
    for entry in run:
        room -= len(entry.frame)
        if frames and room < 0:
            yield last.event.cursor, b"".join(frames), len(frames)
            frames, room = [], _JOINED_BYTES - len(entry.frame)
        frames.append(entry.frame)
        last = entry
    yield last.event.cursor, frames[0] if len(frames) == 1 else b"".join(frames), len(frames)


def _is_for_all(event: Event) -> bool:
    """Tell whether everybody in the conversation sees it, and stays there."""
    match event.body:
        case MessageChange(joined_only=joined_only):
            return not joined_only
        case ParticipantChange(private=True):
            return False
        case _:
            return event.kind not in ENDING
