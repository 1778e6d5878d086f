"""The shared level of the participant cache: each version of a conversation's participants is a set of its own."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec
import structlog

from sanctum_messaging.adapters.redis.availability import Availability
from sanctum_messaging.adapters.redis.connection import ANSWER_SECONDS
from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.domain.model import Millis, Participant, Role, UserId
from sanctum_messaging.ports.participant_cache import ParticipantSet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis.asyncio import Redis

    from sanctum_messaging.domain.model import ConversationId

TTL_SECONDS = 300
"""A version that nobody asks for any more goes by itself."""
SCAN_COUNT = 1_000
"""Keys that Redis looks at in one step: under a millisecond, in which it serves nobody else."""

_SENTINEL = b""
"""A member of every set, because Redis does not tell an empty one from none. No row is empty."""

_log = structlog.get_logger(__name__)


class _Row(msgspec.Struct, array_like=True, frozen=True):
    """What a set's version covers of a participant who is present."""

    user_id: UserId
    role: Role
    joined_at: Millis
    version: int


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[_Row]).decode


class RedisParticipants:
    """``ports.participant_cache.SharedParticipants``. What Redis can't give or take is not there, or not kept."""

    def __init__(self, redis: Redis, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        """Use a client of ``connection.open_redis``, and wait so long for what it is asked."""
        self.availability = Availability("participants", answer_seconds=answer_seconds)
        self._redis = redis

    async def find(self, conversation_id: ConversationId, version: int) -> ParticipantSet | None:
        """Find the set of exactly that version; see the port."""
        key = _key(conversation_id, version)
        members = await self.availability.ask(lambda: self._redis.smembers(key))
        if not members or _SENTINEL not in members:
            return None
        try:
            rows = _decode(b"[%b]" % b",".join(each for each in members if isinstance(each, bytes) and each))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            _log.warning("participants_damaged")
            return None
        participants = (Participant(conversation_id, r.user_id, r.role, r.joined_at, None, r.version) for r in rows)
        return ParticipantSet(version, tuple(sorted(participants, key=attrgetter("user_id"))))

    async def put(self, conversation_id: ConversationId, found: ParticipantSet) -> None:
        """Keep a set for five minutes, whole or not at all."""
        key = _key(conversation_id, found.version)
        async with self._redis.pipeline(transaction=True) as transaction:
            transaction.delete(key)
            transaction.sadd(key, _SENTINEL, *_rows(found.participants))
            transaction.expire(key, TTL_SECONDS)
            await self.availability.ask(transaction.execute)

    async def forget_all(self) -> None:
        """Forget the sets of all conversations; see the port."""
        cursor = None
        while cursor != 0:
            position = cursor or 0
            found = await self.availability.ask(
                lambda: self._redis.scan(position, match=_key("*", "*"), count=SCAN_COUNT)  # noqa: B023 - awaited here
            )
            if found is None:
                raise _unavailable()
            cursor, keys = found
            if keys and await self.availability.ask(lambda: self._redis.unlink(*keys)) is None:  # noqa: B023 - as above
                raise _unavailable()


def _rows(participants: Iterable[Participant]) -> Iterable[bytes]:
    return (_encode(_Row(each.user_id, each.role, each.joined_at, each.version)) for each in participants)


def _key(conversation_id: str, version: int | str) -> str:
    return f"conv:{{{conversation_id}}}:participants:v{version}"


def _unavailable() -> UnavailableError:
    return UnavailableError("The cache that the instances share can't be reached.")
