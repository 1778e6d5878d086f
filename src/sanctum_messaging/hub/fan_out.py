"""Hands each event to whom it is for; what follows one another in a conversation, in one go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.domain.events import MessageChange

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
    """Collects a run of messages that all go to the same users, while events are applied.

    They are encoded, framed and joined once; for each recipient there is a reference more.
    """

    def __init__(self, users: Users) -> None:
        self._users = users
        self._conversation: ConversationId | None = None
        self._audience: Collection[User] = ()
        self._run: list[Entry] = []

    def add(self, entry: Entry) -> None:
        """Take the next event: after those whom it adds were let in, and before those whom it removes are let out."""
        event = entry.event
        alike = _is_for_all(event)
        if not alike or event.conversation_id != self._conversation:
            self.hand_out()
            self._audience = self._users.audience(event)
            self._conversation = event.conversation_id
        if self._audience:
            self._run.append(entry)
        if not alike:
            self.hand_out()

    def forget(self) -> None:
        """Drop what was collected: nobody's stream goes on from here."""
        self._run, self._conversation = [], None

    def hand_out(self) -> None:
        """Give the users what was collected: before anything changes about who they are, and when all is applied."""
        run, self._run = self._run, []
        self._conversation = None
        if not run:
            return
        events = tuple(_join(run))
        size = sum([len(frames) for _, frames, _ in events])
        for user in self._audience:
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
    """Tell whether everybody in the conversation sees it, and it changes nothing about who that is."""
    return isinstance(event.body, MessageChange) and not event.body.joined_only
