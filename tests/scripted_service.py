"""A service that is a list of events and knows its clients by the sockets of ``tests.scripted_socket``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.scripted_socket import ScriptedNetwork

if TYPE_CHECKING:
    from tests.scripted_socket import ScriptedSocket

Json = dict[str, Any]
TIME = "2026-11-23T03:14:48.081Z"
START = "0-00000000"


@dataclass
class Listener:
    """A socket of a client, and from where and up to where it was shown the log."""

    socket: ScriptedSocket
    position: int | None = None
    """None before the welcome."""
    began: int = 0
    is_live: bool = False
    sends: list[Json] = field(default_factory=list)
    """Sends that were written here and not answered."""


class ScriptedService:
    """By itself it shows everything at once and answers everything; a test may do so step by step."""

    def __init__(self, *, by_itself: bool = True) -> None:
        self.network = ScriptedNetwork()
        self.network.greet = self._greet
        self.log: list[Json] = []
        self.stored: dict[str, Json] = {}
        """The messages, by their client message ids."""
        self.listeners: list[Listener] = []
        self.answers = by_itself
        self._by_itself = by_itself

    @property
    def open(self) -> list[Listener]:
        return [each for each in self.listeners if each.socket.is_open and each.position is not None]

    def append(self, conversation: str = "one", body: str = "Hello", client_message_id: str = "x") -> Json:
        """Append a message to the log."""
        seq = 1 + sum(event["conversationId"] == conversation for event in self.log)
        message = {
            "id": f"{conversation}-{seq}",
            "conversationId": conversation,
            "seq": seq,
            "senderId": "ann",
            "deviceId": "-",
            "clientMessageId": client_message_id,
            "type": "text",
            "body": body,
            "metadata": {},
            "replyTo": None,
            "createdAt": TIME,
            "editedAt": None,
            "deletedAt": None,
            "version": 1,
        }
        event = {"op": "event", "cursor": self.cursor(len(self.log) + 1), "conversationId": conversation, "seq": seq}
        event |= {"type": "message.created", "actorId": "ann", "at": TIME, "data": {"message": message}}
        self.log.append(event)
        if self._by_itself:
            for listener in self.open:
                self.show(listener)
        return message

    def show(self, listener: Listener, count: int | None = None) -> None:
        """Show what comes next, and that this is all if it is."""
        assert listener.position is not None
        upto = len(self.log) if count is None else min(len(self.log), listener.position + count)
        listener.socket.push(*self.log[listener.position : upto])
        listener.position = upto
        if upto == len(self.log) and not listener.is_live:
            listener.is_live = True
            listener.socket.push({"op": "live", "cursor": self.cursor(upto)})

    def answer(self, listener: Listener) -> None:
        """Answer what was sent."""
        for send in listener.sends:
            message = self.stored[send["clientMessageId"]]
            listener.socket.push({"op": "ok", "id": send["id"], "result": {"message": message}})
        listener.sends.clear()

    @staticmethod
    def cursor(position: int) -> str:
        return f"{position}-{position % 7:08x}"

    def _greet(self, socket: ScriptedSocket) -> None:
        listener = Listener(socket)
        self.listeners.append(listener)
        socket.react = lambda frame: self._react(listener, frame)

    def _react(self, listener: Listener, frame: Json) -> None:
        if frame["op"] == "hello":
            self._welcome(listener, frame["cursor"])
        elif frame["op"] == "send":
            self._store(listener, frame)
        elif frame["op"] == "read":
            listener.socket.push({"op": "ok", "id": frame["id"], "result": {"readSeq": frame["seq"], "unreadCount": 0}})

    def _welcome(self, listener: Listener, cursor: str | None) -> None:
        listener.position = len(self.log) if cursor is None else int(cursor.partition("-")[0])
        listener.began = listener.position
        welcome = {
            "op": "welcome",
            "sessionId": "s",
            "resumeToken": f"r.{len(self.listeners)}.s",
            "resumed": False,
            "cursor": self.cursor(listener.position) if listener.position else START,
            "user": "ann",
            "heartbeatMs": 20_000,
            "limits": {"frameBytes": 65_536, "bodyCharacters": 8_000, "sendsInFlight": 32},
            "serverTime": TIME,
        }
        listener.socket.push(welcome)
        if self._by_itself:
            self.show(listener)

    def _store(self, listener: Listener, send: Json) -> None:
        known = self.stored.get(send["clientMessageId"])
        if known is None:
            self.stored[send["clientMessageId"]] = {}
            message = self.append(send["conversationId"], send["body"], send["clientMessageId"])
            self.stored[send["clientMessageId"]] = message
        listener.sends.append(send)
        if self.answers:
            self.answer(listener)
