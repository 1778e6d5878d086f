"""Participants over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET, UnsetType

from sanctum_messaging.client.calls import Calls, idempotency_key, path_of
from sanctum_messaging.client.http import Call
from sanctum_messaging.protocol.answers import ParticipantResult, ParticipantsPage, ParticipantsResult
from sanctum_messaging.protocol.requests import (
    AddSeveralParticipants,
    NewParticipant,
    ParticipantsQuery,
    UpdateParticipant,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sanctum_messaging.protocol.requests import RoleName
    from sanctum_messaging.protocol.resources import ParticipantResource


class ParticipantCalls(Calls):
    """What can be done with participants. Every method raises ``Refused`` or ``Unreachable``."""

    async def list_participants(
        self, conversation_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> ParticipantsPage:
        """Read a page of those present, by user id; ``next_cursor`` leads on."""
        query = ParticipantsQuery(limit=limit, cursor=UNSET if cursor is None else cursor)
        return await self._http.fetch(ParticipantsPage, Call("GET", _path(conversation_id), query=query))

    async def add_participants(
        self, conversation_id: str, participants: Iterable[str | NewParticipant], *, key: str | None = None
    ) -> list[ParticipantResource]:
        """Add users, as members unless said otherwise; who is present stays as he is."""
        new = [NewParticipant(each) if isinstance(each, str) else each for each in participants]
        call = Call("POST", _path(conversation_id), body=AddSeveralParticipants(new), headers=idempotency_key(key))
        return (await self._http.fetch(ParticipantsResult, call)).participants

    async def update_participant(
        self,
        conversation_id: str,
        user_id: str,
        *,
        role: RoleName | UnsetType = UNSET,
        muted: bool | UnsetType = UNSET,
        hidden: bool | UnsetType = UNSET,
        pinned: bool | UnsetType = UNSET,
    ) -> ParticipantResource:
        """Give a role, or set one's own marks, which nobody else sees."""
        body = UpdateParticipant(role=role, muted=muted, hidden=hidden, pinned=pinned)
        call = Call("PATCH", _path(conversation_id, user_id), body=body)
        return (await self._http.fetch(ParticipantResult, call)).participant

    async def remove_participant(self, conversation_id: str, user_id: str) -> None:
        """Remove a user; of oneself it is leaving."""
        await self._http.perform(Call("DELETE", _path(conversation_id, user_id)))


def _path(conversation_id: str, user_id: str | None = None) -> str:
    return path_of("conversations", conversation_id, "participants", *([] if user_id is None else [user_id]))
