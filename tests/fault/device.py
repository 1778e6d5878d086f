"""A client whose every call and every delivery goes into a recording."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx2
import msgspec

from sanctum_messaging.protocol.client_session import ClientSession
from tests.e2e.client import PATIENCE_SECONDS, Client, Socket, SocketClosedError
from tests.fault import answers
from tests.fault.recorder import Call, Connected, Marked, Pending, Recorder, Result, Resynced
from tests.fault.watch import Watch

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from sanctum_messaging.protocol.client_session import Reply

UNKNOWN_OUTCOMES = {"outcome_unknown", "internal"}
"""Problems after which the call may have been done all the same."""


class Device(Client):
    """A user's client of its own name; ``user`` is who it is in the log. At most one socket at a time.

    ``place`` is the service's address, or picks one for each call and each socket; ``patience`` is in seconds.
    """

    def __init__(
        self,
        place: str | Callable[[], str],
        token: str,
        *,
        user: str,
        name: str,
        recorder: Recorder,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        super().__init__(place, token)
        self.user = user
        self.name = name
        self.socket: Socket | None = None
        self.recorder = recorder
        self._patience = patience
        self._http.timeout = patience

    @asynccontextmanager
    async def listen(self, *, forget: bool = False) -> AsyncGenerator[Socket]:
        """Open a socket; with ``forget``, as a client whose process died with all but its resume token."""
        if forget:
            self.session = ClientSession(resume_token=self.session.resume_token)
        watch = Watch(self, self.recorder, asked=self.session.cursor)
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(self._patience):
                self.socket = await stack.enter_async_context(self.connect(observer=watch))
            stack.callback(setattr, self, "socket", None)
            yield self.socket

    async def record_send(
        self, conversation_id: str, client_message_id: str, body: str, *, by_socket: bool = False
    ) -> Pending:
        """Send a message by either way."""
        call = Call("send", conversation_id, client_message_id=client_message_id, body=body)
        if not by_socket or self.socket is None:
            message = {"conversationId": conversation_id, "clientMessageId": client_message_id, "body": body}
            return await self._request(call, "POST", "/v1/messages", message, told=answers.message)
        with self.recorder.call(self.name, self.user, call) as pending:
            try:
                reply = await self._send_by(self.socket, conversation_id, client_message_id, body)
            except SocketClosedError as error:
                pending.unknown(str(error.code))
                return pending
            except TimeoutError:
                pending.unknown("timeout")
                return pending
            if not isinstance(reply.problem, msgspec.UnsetType):
                _refuse(pending, reply.problem.code)
            else:
                answer = {**msgspec.json.decode(reply.result), "replayed": reply.replayed}
                pending.done(answers.message(answer), answer)
        return pending

    async def record_create(self, others: dict[str, str], *, key: str = "", **fields: object) -> Pending:
        """Create a group, once for each key."""
        participants = [{"userId": user, "role": role} for user, role in others.items()]
        wanted = {"kind": "group", "participants": participants, **fields}
        headers = {"Idempotency-Key": key} if key else {}
        call = Call("create", client_message_id=key)
        return await self._request(
            call, "POST", "/v1/conversations", wanted, headers=headers, told=answers.conversation
        )

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
        path = f"/v1/messages/{message_id}"
        return await self._request(call, "PATCH", path, {"body": body}, etag=etag, told=answers.message)

    async def record_delete(self, conversation_id: str, message_id: str, *, etag: str = "*") -> Pending:
        """Delete a message."""
        call = Call("delete", conversation_id, message_id=message_id)
        return await self._request(call, "DELETE", f"/v1/messages/{message_id}", etag=etag)

    async def record_read(self, conversation_id: str, seq: int) -> Pending:
        """Move the read marker."""
        call = Call("read", conversation_id, seq=seq)
        path = f"/v1/conversations/{conversation_id}/read"
        return await self._request(call, "POST", path, {"seq": seq}, told=answers.marker)

    async def record_messages(self, conversation_id: str, *, limit: int = 50) -> Pending:
        """Read the newest page of a conversation."""
        path = f"/v1/conversations/{conversation_id}/messages?limit={limit}"
        return await self._request(Call("messages", conversation_id), "GET", path, told=answers.page)

    async def record_conversations(self) -> Pending:
        """List the conversations, which must fit into one page."""
        return await self._request(Call("conversations"), "GET", "/v1/conversations?limit=200", told=answers.lines)

    async def record_poll(self, cursor: str) -> str:
        """Read the stream by polling, as a client of its own; return the cursor that it ends at."""
        self.begin_polling(cursor)
        while True:
            page = await self.record_page(cursor)
            assert page.outcome == "ok", page.code
            cursor = page.answer["cursor"]
            if not page.answer["hasMore"]:
                return cursor

    @property
    def polling_name(self) -> str:
        """Who the device is as a client that polls."""
        return f"{self.name}, polling"

    def begin_polling(self, cursor: str) -> None:
        """Record that ``record_page`` will be called from this cursor on."""
        self.recorder.note(Connected(self.polling_name, self.user, self.recorder.now, cursor, cursor))

    async def record_page(self, cursor: str, *, wait_ms: int = 0) -> Pending:
        """Read one page of the stream."""
        path = f"/v1/sync?cursor={cursor}&limit=20&waitMs={wait_ms}"
        page = await self._request(Call("sync"), "GET", path, told=answers.streamed)
        for event in page.answer.get("events", ()):
            self.recorder.note(answers.delivered(self.polling_name, self.recorder.now, event))
        if page.outcome == "ok":
            self.recorder.note(Marked(self.polling_name, self.recorder.now, page.answer["cursor"]))
        elif page.code.startswith("cursor_"):
            self.recorder.note(Resynced(self.polling_name, self.recorder.now, page.code, cursor))
        return page

    async def _send_by(self, socket: Socket, conversation_id: str, client_message_id: str, body: str) -> Reply:
        """Send over a socket, and give it up if there is no answer; another may lead to a service that is well."""
        try:
            async with asyncio.timeout(self._patience):
                return await socket.send(conversation_id, body, client_message_id=client_message_id)
        except TimeoutError:
            socket.drop()
            raise

    async def _request(
        self,
        call: Call,
        method: str,
        path: str,
        body: object = None,
        *,
        etag: str | None = None,
        headers: dict[str, str] | None = None,
        told: Callable[[dict[str, Any]], Result] | None = None,
    ) -> Pending:
        with self.recorder.call(self.name, self.user, call) as pending:
            headers = {**(headers or {}), **({} if etag is None else {"If-Match": etag})}
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


def _refuse(pending: Pending, code: str) -> None:
    if code in UNKNOWN_OUTCOMES:
        pending.unknown(code)
    else:
        pending.refused(code)


def _place(conversation_id: str, user: str) -> str:
    return f"/v1/conversations/{conversation_id}/participants/{quote(user, safe='')}"
