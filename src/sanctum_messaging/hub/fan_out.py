"""Hands each event to whom it is for; what follows one another in a conversation, in one go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.domain.events import MessageChange

if TYPE_CHECKING:
    from collections.abc import Collection

    from sanctum_messaging.domain.events import Event
    from sanctum_messaging.domain.model import ConversationId
    from sanctum_messaging.hub.catch_up import Delivered
    from sanctum_messaging.hub.ring import Entry
    from sanctum_messaging.hub.user import User
    from sanctum_messaging.hub.users import Users


class FanOut:
    """Collects a run of messages that all go to the same users, while events are applied.

    Each event is encoded, framed and paired with its cursor once; for each recipient there is a reference more.
    """

    def __init__(self, users: Users) -> None:
        self._users = users
        self._conversation: ConversationId | None = None
        self._audience: Collection[User] = ()
        self._run: list[Delivered] = []

    def add(self, entry: Entry) -> None:
        """Take the next event: after those whom it adds were let in, and before those whom it removes are let out."""
        event = entry.event
        alike = _is_for_all(event)
        if not alike or event.conversation_id != self._conversation:
            self.hand_out()
            self._audience = self._users.audience(event)
            self._conversation = event.conversation_id
        if self._audience:
            self._run.append((event.cursor, entry.frame))
        if not alike:
            self.hand_out()

    def forget(self) -> None:
        """Drop what was collected: nobody's stream goes on from here."""
        self._run, self._conversation = [], None

    def hand_out(self) -> None:
        """Give the users what was collected: before anything changes about who they are, and when all is applied."""
        run, self._run = self._run, []
        self._conversation = None
        if run:
            size = sum([len(frame) for _, frame in run])
            for user in self._audience:
                user.deliver(run, size)


def _is_for_all(event: Event) -> bool:
    """Tell whether everybody in the conversation sees it, and it changes nothing about who that is."""
    return isinstance(event.body, MessageChange) and not event.body.joined_only
