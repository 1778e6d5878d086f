"""A client whose every call and every delivery goes into a recording."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx2
import msgspec

from sanctum_messaging.protocol.client_session import ClientSession, Received, ReceivedEvent
from tests.e2e.client import Client, Socket, SocketClosedError
from tests.fault.recorder import (
    Call,
    Closed,
    Connected,
    Delivered,
    Listed,
    Marked,
    Pending,
    Recorder,
    Result,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

UNKNOWN_OUTCOMES = {"outcome_unknown", "internal"}
"""Problems after which the call may have been done all the same."""


class Device(Client):
    """A user's client of its own name; ``user`` is who it is in the log. At most one socket at a time."""

    def __init__(self, base_url: str, token: str, *, user: str, name: str, recorder: Recorder) -> None:
        super().__init__(base_url, token)
        self.user = user
        self.name = name
        self.socket: Socket | None = None
        self._recorder = recorder

    @asynccontextmanager
    async def listen(self, *, forget: bool = False) -> AsyncGenerator[Socket]:
        """Open a socket; with ``forget``, as a client whose process died with all but its resume token."""
        if forget:
            self.session = ClientSession(resume_token=self.session.resume_token)
        watch = _Watch(self, self._recorder, asked=self.session.cursor)
        async with self.connect(observer=watch) as socket:
            self.socket = socket
            try:
                yield socket
            finally:
                self.socket = None

    async def record_send(
        self, conversation_id: str, client_message_id: str, body: str, *, by_socket: bool = False
    ) -> Pending:
        """Send a message by either way."""
        call = Call("send", conversation_id, client_message_id=client_message_id, body=body)
        if not by_socket or self.socket is None:
            message = {"conversationId": conversation_id, "clientMessageId": client_message_id, "body": body}
            return await self._request(call, "POST", "/v1/messages", message, told=_message)
        with self._recorder.call(self.name, self.user, call) as pending:
            try:
                reply = await self.socket.send(conversation_id, body, client_message_id=client_message_id)
            except SocketClosedError as error:
                pending.unknown(str(error.code))
                return pending
            if not isinstance(reply.problem, msgspec.UnsetType):
                _refuse(pending, reply.problem.code)
            else:
                answer = {**msgspec.json.decode(reply.result), "replayed": reply.replayed}
                pending.done(_message(answer), answer)
        return pending

    async def record_create(self, others: dict[str, str], **fields: object) -> Pending:
        """Create a group."""
        participants = [{"userId": user, "role": role} for user, role in others.items()]
        wanted = {"kind": "group", "participants": participants, **fields}
        return await self._request(Call("create"), "POST", "/v1/conversations", wanted)

    async def record_patch(self, conversation_id: str, patch: object, *, version: int) -> Pending:
        """Change a conversation."""
        path = f"/v1/conversations/{conversation_id}"
        return await self._request(Call("patch", conversation_id), "PATCH", path, patch, etag=f'"v{version}"')

    async def record_destroy(self, conversation_id: str, *, version: int) -> Pending:
        """Delete a conversation."""
        path = f"/v1/conversations/{conversation_id}"
        return await self._request(Call("destroy", conversation_id), "DELETE", path, etag=f'"v{version}"')

    async def record_add(self, conversation_id: str, user: str, role: str = "member") -> Pending:
        """Add a participant."""
        path = f"/v1/conversations/{conversation_id}/participants"
        call = Call("add", conversation_id, target=user)
        return await self._request(call, "POST", path, {"userId": user, "role": role})

    async def record_remove(self, conversation_id: str, user: str) -> Pending:
        """Remove a participant, or leave."""
        return await self._request(
            Call("remove", conversation_id, target=user), "DELETE", _place(conversation_id, user)
        )

    async def record_role(self, conversation_id: str, user: str, role: str) -> Pending:
        """Change a participant's role."""
        call = Call("role", conversation_id, target=user)
        return await self._request(call, "PATCH", _place(conversation_id, user), {"role": role})

    async def record_marks(self, conversation_id: str, **marks: bool) -> Pending:
        """Change one's own marks, which nobody else sees."""
        call = Call("role", conversation_id, target=self.user)
        return await self._request(call, "PATCH", _place(conversation_id, self.user), marks)

    async def record_edit(self, conversation_id: str, message_id: str, body: str, *, etag: str = "*") -> Pending:
        """Edit a message."""
        call = Call("edit", conversation_id, body=body, message_id=message_id)
        return await self._request(call, "PATCH", f"/v1/messages/{message_id}", {"body": body}, etag=etag)

    async def record_delete(self, conversation_id: str, message_id: str, *, etag: str = "*") -> Pending:
        """Delete a message."""
        call = Call("delete", conversation_id, message_id=message_id)
        return await self._request(call, "DELETE", f"/v1/messages/{message_id}", etag=etag)

    async def record_read(self, conversation_id: str, seq: int) -> Pending:
        """Move the read marker."""
        call = Call("read", conversation_id, seq=seq)
        path = f"/v1/conversations/{conversation_id}/read"
        return await self._request(call, "POST", path, {"seq": seq}, told=lambda a: Result(read_seq=a["readSeq"]))

    async def record_messages(self, conversation_id: str, *, limit: int = 50) -> Pending:
        """Read the newest page of a conversation."""
        path = f"/v1/conversations/{conversation_id}/messages?limit={limit}"
        return await self._request(Call("messages", conversation_id), "GET", path, told=_page)

    async def record_conversations(self) -> Pending:
        """List the conversations, which must fit into one page."""
        return await self._request(Call("conversations"), "GET", "/v1/conversations?limit=200", told=_lines)

    async def record_poll(self, cursor: str) -> str:
        """Read the stream by polling, as a client of its own; return the cursor that it ends at."""
        name = f"{self.name}, polling"
        self._recorder.note(Connected(name, self.user, self._recorder.now, cursor, cursor))
        while True:
            page = (await self.get("/v1/sync", cursor=cursor, limit=20)).json()
            for event in page["events"]:
                self._recorder.note(delivered(name, self._recorder.now, event))
            cursor = page["cursor"]
            self._recorder.note(Marked(name, self._recorder.now, cursor))
            if not page["hasMore"]:
                return cursor

    async def _request(
        self,
        call: Call,
        method: str,
        path: str,
        body: object = None,
        *,
        etag: str | None = None,
        told: Callable[[dict[str, Any]], Result] | None = None,
    ) -> Pending:
        with self._recorder.call(self.name, self.user, call) as pending:
            headers = {} if etag is None else {"If-Match": etag}
            try:
                answer = await self.request(method, path, body, headers)
            except httpx2.TransportError as error:
                pending.unknown(type(error).__name__)
                return pending
            content = answer.json() if answer.content else {}
            pending.status = answer.status_code
            if answer.is_success:
                content["replayed"] = "idempotent-replayed" in answer.headers
                pending.done(Result() if told is None else told(content), content)
            else:
                _refuse(pending, content["code"])
        return pending


class _Watch:
    """Records what comes over one socket."""

    def __init__(self, device: Device, recorder: Recorder, *, asked: str | None) -> None:
        self._device = device
        self._recorder = recorder
        self._asked = asked

    def received(self, message: str | bytes, frame: Received | None) -> None:
        """Record it as it came, also where the client makes nothing of it."""
        content = msgspec.json.decode(message)
        name, at = self._device.name, self._recorder.now
        match content["op"]:
            case "event":
                taken = isinstance(frame, ReceivedEvent)
                self._recorder.note(delivered(name, at, content, taken=taken))
            case "welcome":
                cursor, resumed = content["cursor"], content["resumed"]
                self._recorder.note(Connected(name, self._device.user, at, cursor, self._asked, resumed))
            case "live" | "ping" | "pong":
                self._recorder.note(Marked(name, at, content["cursor"]))

    def closed(self, code: int) -> None:
        """Record the end."""
        self._recorder.note(Closed(self._device.name, self._recorder.now, code))


def delivered(client: str, at: float, event: dict[str, Any], *, taken: bool = True) -> Delivered:
    """Take down an event frame."""
    return Delivered(
        client,
        at,
        event["cursor"],
        event["conversationId"],
        event["seq"],
        event["type"],
        message_id=event["data"].get("message", {}).get("id", ""),
        taken=taken,
    )


def _refuse(pending: Pending, code: str) -> None:
    if code in UNKNOWN_OUTCOMES:
        pending.unknown(code)
    else:
        pending.refused(code)


def _place(conversation_id: str, user: str) -> str:
    return f"/v1/conversations/{conversation_id}/participants/{quote(user, safe='')}"


def _message(answer: dict[str, Any]) -> Result:
    message = answer["message"]
    return Result(message_id=message["id"], seq=message["seq"], replayed=answer["replayed"])


def _page(answer: dict[str, Any]) -> Result:
    return Result(seqs=tuple(each["seq"] for each in answer["messages"]))


def _lines(answer: dict[str, Any]) -> Result:
    lines = tuple(Listed(each["id"], each["readSeq"], each["unreadCount"]) for each in answer["conversations"])
    return Result(lines=lines, cursor=answer["streamCursor"])
