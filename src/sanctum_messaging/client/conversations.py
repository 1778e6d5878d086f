"""Conversations over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import UNSET, UnsetType

from sanctum_messaging.client.calls import Calls, idempotency_key, if_match, path_of, write_metadata
from sanctum_messaging.client.http import Call
from sanctum_messaging.protocol.answers import ConversationResult, ConversationsPage, UnreadResult
from sanctum_messaging.protocol.requests import (
    ConversationsQuery,
    CreateConversation,
    NewParticipant,
    UpdateConversation,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sanctum_messaging.protocol.requests import VisibilityName
    from sanctum_messaging.protocol.resources import ConversationResource


class ConversationCalls(Calls):
    """What can be done with conversations. Every method raises ``Refused`` or ``Unreachable``."""

    async def create_conversation(
        self,
        participants: Iterable[str | NewParticipant] = (),
        *,
        kind: Literal["group", "direct"] = "group",
        title: str | None = None,
        metadata: Mapping[str, object] | None = None,
        history_visibility: VisibilityName = "all",
        key: str | None = None,
    ) -> ConversationResource:
        """Create a conversation with others, who are members unless said otherwise.

        A ``direct`` one with the same user is created once; a group, once for each ``key``, so one without a key is
        best not repeated after ``Unreachable``.
        """
        body = CreateConversation(
            kind=kind,
            participants=[NewParticipant(each) if isinstance(each, str) else each for each in participants],
            title=title,
            metadata=write_metadata(metadata),
            history_visibility=history_visibility,
        )
        call = Call("POST", "/v1/conversations", body=body, headers=idempotency_key(key))
        return (await self._http.fetch(ConversationResult, call)).conversation

    async def list_conversations(self, *, limit: int = 50, cursor: str | None = None) -> ConversationsPage:
        """Read a page of the user's conversations, the most recently active first; ``next_cursor`` leads on.

        A stream that starts at the ``stream_cursor`` of the first page misses nothing that is not in the list.
        """
        query = ConversationsQuery(limit=limit, cursor=UNSET if cursor is None else cursor)
        return await self._http.fetch(ConversationsPage, Call("GET", "/v1/conversations", query=query))

    async def get_conversation(self, conversation_id: str) -> ConversationResource:
        """Read one conversation."""
        return (await self._http.fetch(ConversationResult, Call("GET", _path(conversation_id)))).conversation

    async def update_conversation(
        self,
        conversation_id: str,
        *,
        version: int | None,
        title: str | UnsetType | None = UNSET,
        metadata: Mapping[str, object] | None = None,
        history_visibility: VisibilityName | UnsetType = UNSET,
    ) -> ConversationResource:
        """Change what is named, if the conversation still has this version; none changes whichever it has.

        ``metadata`` is merged: a value of None in it takes a field away.
        """
        body = UpdateConversation(title=title, metadata=write_metadata(metadata), history_visibility=history_visibility)
        call = Call("PATCH", _path(conversation_id), body=body, headers=if_match(version))
        return (await self._http.fetch(ConversationResult, call)).conversation

    async def delete_conversation(self, conversation_id: str, *, version: int | None) -> None:
        """Delete the conversation, if it still has this version; none deletes whichever it has."""
        await self._http.perform(Call("DELETE", _path(conversation_id), headers=if_match(version)))

    async def count_unread(self) -> UnreadResult:
        """Read the sum for an app badge."""
        return await self._http.fetch(UnreadResult, Call("GET", "/v1/unread"))


def _path(conversation_id: str) -> str:
    return path_of("conversations", conversation_id)
