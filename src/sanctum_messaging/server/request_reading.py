"""Reading requests, with a bound on everything that a client sends.

uvicorn's protocol does the work. What is added: bytes are counted before they are parsed, heads that could be
understood in two ways are refused, and one request is taken at a time.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from typing import Any, NoReturn, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sanctum_messaging.server.answer_cycle import AnswerCycle
from sanctum_messaging.server.heads import Fields, Offer, find_offer, has_body, is_small, is_sound, wants_socket
from sanctum_messaging.server.limits import (
    FRAMING_PER_PIECE,
    MAX_ADDRESS_BYTES,
    MAX_HEAD_BYTES,
    MAX_PIECES,
    MAX_UNREAD_BYTES,
)
from sanctum_messaging.server.phase import ANSWERING, BODY, HEAD, LEAVING, WAITING, StopParsingError
from sanctum_messaging.server.refusals import Reason

_NOWHERE: Any = deque(maxlen=0)
"""Keeps nothing of what is appended to it."""


class RequestReading(HttpToolsProtocol, ABC):
    """The half of a connection that takes bytes; what follows from them is decided by ``HTTPProtocol``."""

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - they are uvicorn's affair
        super().__init__(*arguments, **named)
        self._phase = WAITING
        self._room = MAX_HEAD_BYTES
        self._unread_room = MAX_UNREAD_BYTES
        self._pieces = 0
        self._reason = Reason.MALFORMED
        self._offer: Offer | None = None
        """What the request asks for a WebSocket with, if it does."""
        self._is_stranger = True

    def data_received(self, data: bytes) -> None:
        phase = self._phase
        if phase is WAITING or phase is HEAD:
            self._take_head(data)
        elif phase is BODY:
            self._take_body(data)
        else:
            if phase is ANSWERING:
                self.take_no_more()
            self._throw_away(len(data))

    def abort(self) -> None:
        """End at once, without a word."""
        self.transport.abort()

    @abstractmethod
    def head_begun(self) -> None:
        """Follow up: the first bytes of a head came, and not all of it."""

    @abstractmethod
    def first_head_taken(self) -> None:
        """Follow up: the connection has shown a sound head."""

    @abstractmethod
    def body_begun(self) -> None:
        """Follow up: a head came without the whole of its body."""

    @abstractmethod
    def request_taken(self) -> None:
        """Follow up: all of a request came."""

    @abstractmethod
    def refuse(self, reason: Reason) -> None:
        """Follow up: what came is not taken."""

    @abstractmethod
    def take_no_more(self) -> None:
        """Follow up: something came behind the request that is being answered."""

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._phase is WAITING:
            # It comes together with the end of a body whose request is answered already.
            self._phase, self._room = HEAD, MAX_HEAD_BYTES
        elif self._phase is not HEAD:
            # Another request behind the one that is being answered.
            raise StopParsingError
        self._offer = None
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) > MAX_ADDRESS_BYTES:
            self._stop_parsing(Reason.ADDRESS_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        # Called for each field, so all else waits until their number and what they hold can be looked at together.
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        parser, fields = self.parser, self.headers
        # Trailers come after this: nobody has use for them, and they must not be taken for fields of the head.
        self.headers = _NOWHERE
        if not is_small(fields):
            self._stop_parsing(Reason.HEAD_TOO_LARGE)
        version = parser.get_http_version()
        values = dict(fields)
        if not is_sound(version, self.url, fields, values):
            self._stop_parsing(Reason.MALFORMED)
        self.expect_100_continue = version == "1.1" and values.get(b"expect", b"").lower() == b"100-continue"
        method = self.scope["method"] = parser.get_method().decode("ascii")
        if parser.should_upgrade():
            self._check_upgrade(method, version, fields)
        if self._is_stranger:
            self._is_stranger = False
            self.first_head_taken()
        self._locate(version)
        if self._offer is None:
            self._begin_answer(version)
        self._phase = BODY if self._offer is None else LEAVING
        self._room, self._pieces, self._unread_room = MAX_HEAD_BYTES, 0, MAX_UNREAD_BYTES

    def on_body(self, body: bytes) -> None:
        self._room += len(body) + FRAMING_PER_PIECE
        self._pieces += 1
        if self._pieces > MAX_PIECES:
            self._stop_parsing(Reason.MALFORMED)
        cycle = self.cycle
        if cycle.response_complete:
            self._throw_away(len(body))
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        if self._offer is not None:
            return
        cycle = self.cycle
        self._phase = WAITING if cycle.response_complete else ANSWERING
        self.request_taken()
        cycle.more_body = False
        cycle.message_event.set()
        if not self.parser.should_keep_alive():
            # A trailer may say so, too, and the parser reads nothing behind it.
            self.take_no_more()

    def _locate(self, version: str) -> None:
        """Put into the scope where the request goes: a path and a query, since nothing else is sound."""
        raw_path, _, query = self.url.partition(b"?")
        path, scope = raw_path.decode("ascii"), self.scope
        if version != "1.1":
            scope["http_version"] = version
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = raw_path
        scope["query_string"] = query

    def _begin_answer(self, version: str) -> None:
        """Start the application; no other request is being answered on this connection."""
        self.cycle = AnswerCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        self._start_asgi_task(self.cycle, self.app)

    # Taking what comes, no more at a time than there is room for.

    def _take_head(self, data: bytes) -> None:
        begins = self._phase is WAITING
        if begins:
            self._phase, self._room = HEAD, MAX_HEAD_BYTES
        room = self._room
        self._parse(data if len(data) <= room else data[:room])
        if self._phase is not HEAD:
            if len(data) > room:
                self._hand_on(data[room:])
        elif len(data) >= room:
            self.refuse(Reason.HEAD_TOO_LARGE)
        else:
            self._room = room - len(data)
            if begins:
                self.head_begun()
        if self._phase is BODY:
            self.body_begun()

    def _take_body(self, data: bytes) -> None:
        cycle = self.cycle
        if cycle.response_complete and len(data) > MAX_HEAD_BYTES:
            # The head of another request may begin in it, and no more of that is parsed at once than may be one.
            self._hand_on(data[:MAX_HEAD_BYTES])
            self._hand_on(data[MAX_HEAD_BYTES:])
            return
        self._room -= len(data)
        self._parse(data)
        if self._phase is HEAD:
            self.head_begun()
        elif self._phase is BODY and self._room < 0:
            self.refuse(Reason.MALFORMED)
        elif self._phase is BODY and self.cycle is not cycle:
            self.body_begun()

    def _hand_on(self, data: bytes) -> None:
        """Give what is not taken yet to whom it belongs by now: a socket may have begun."""
        cast("asyncio.Protocol", self.transport.get_protocol()).data_received(data)

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._offer is not None:
                self.handle_websocket_upgrade()
                self._hand_on(data[upgrade.args[0] :])
            else:
                self.take_no_more()
        except httptools.HttpParserError:
            if self._phase is ANSWERING or self._phase is WAITING:
                self.take_no_more()
            else:
                self.refuse(self._reason)

    def _check_upgrade(self, method: str, version: str, fields: Fields) -> None:
        """Let a WebSocket begin; what else is asked for is ignored. With a body the parser would not find its end."""
        if wants_socket(fields):
            # Whoever has not read the answer before it would not be found to read nothing of the socket either: the
            # connection tells only once that it is full.
            is_ready = not has_body(fields) and not self.transport.get_write_buffer_size()
            self._offer = find_offer(method, version, fields) if is_ready else None
            if self._offer is None:
                self._stop_parsing(Reason.HANDSHAKE)
        elif has_body(fields):
            self._stop_parsing(Reason.MALFORMED)

    def _stop_parsing(self, reason: Reason) -> NoReturn:
        self._reason = reason
        raise StopParsingError

    def _throw_away(self, size: int) -> None:
        self._unread_room -= size
        if self._unread_room < 0:
            self.abort()

    def _should_upgrade(self) -> bool:
        return self._offer is not None
