"""Messages over HTTP, and which of two versions of a message to keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from sanctum_messaging.client.calls import Calls, if_match, path_of, write_metadata
from sanctum_messaging.client.http import Call
from sanctum_messaging.protocol.answers import MessagesPage
from sanctum_messaging.protocol.requests import EditMessage, MessagesQuery, MoveReadMarker, SendMessage
from sanctum_messaging.protocol.resources import MessageResource, MessageResult, ReadResult

if TYPE_CHECKING:
    from collections.abc import Mapping


class MessageCalls(Calls):
    """What can be done with messages. Every method raises ``Refused`` or ``Unreachable``.

    Messages are best sent with ``Client.send``, which repeats what was not answered.
    """

    async def post_message(self, message: SendMessage) -> MessageResource:
        """Send a message over HTTP. After ``Unreachable`` it may be repeated: the same id is one message."""
        call = Call("POST", "/v1/messages", body=message)
        return (await self._http.fetch(MessageResult, call)).message

    async def list_messages(
        self,
        conversation_id: str,
        *,
        before_seq: int | None = None,
        after_seq: int | None = None,
        around_seq: int | None = None,
        limit: int = 50,
    ) -> MessagesPage:
        """Read messages, ascending; at most one bound, and without any the newest page."""
        query = MessagesQuery(
            before_seq=UNSET if before_seq is None else before_seq,
            after_seq=UNSET if after_seq is None else after_seq,
            around_seq=UNSET if around_seq is None else around_seq,
            limit=limit,
        )
        return await self._http.fetch(
            MessagesPage, Call("GET", path_of("conversations", conversation_id, "messages"), query=query)
        )

    async def get_message(self, message_id: str) -> MessageResource:
        """Read one message."""
        return (await self._http.fetch(MessageResult, Call("GET", _path(message_id)))).message

    async def edit_message(
        self, message_id: str, body: str, *, version: int | None, metadata: Mapping[str, object] | None = None
    ) -> MessageResource:
        """Give it another body, if it still has this version; none changes whichever it has.

        ``metadata`` is replaced as a whole where it is given.
        """
        edit = EditMessage(body=body, metadata=write_metadata(metadata))
        call = Call("PATCH", _path(message_id), body=edit, headers=if_match(version))
        return (await self._http.fetch(MessageResult, call)).message

    async def delete_message(self, message_id: str, *, version: int | None) -> None:
        """Take its text away, if it still has this version; none takes that of whichever it has."""
        await self._http.perform(Call("DELETE", _path(message_id), headers=if_match(version)))

    async def mark_read(self, conversation_id: str, seq: int) -> ReadResult:
        """Move one's read marker, and return where it is and what is unread; ``Client.read`` waits for nothing."""
        path = path_of("conversations", conversation_id, "read")
        return await self._http.fetch(ReadResult, Call("POST", path, body=MoveReadMarker(seq)))


class Messages:
    """Of each message the highest version, wherever it came from: an event, a page of history or an answer."""

    def __init__(self) -> None:
        """Begin with none."""
        self._known: dict[str, MessageResource] = {}

    def take(self, message: MessageResource) -> bool:
        """Keep it, unless the same or a higher version is known; tell whether it was news."""
        known = self._known.get(message.id)
        if known is not None and known.version >= message.version:
            return False
        self._known[message.id] = message
        return True

    def get(self, message_id: str) -> MessageResource | None:
        """Return the highest known version."""
        return self._known.get(message_id)

    def forget(self, conversation_id: str) -> None:
        """Forget the messages of a conversation, for example when it is no longer shown."""
        self._known = {key: each for key, each in self._known.items() if each.conversation_id != conversation_id}


def _path(message_id: str) -> str:
    return path_of("messages", message_id)
