"""Writing answers: the head in one piece, looked at as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent, HTTPResponseStartEvent

_CONTROLS = bytes([*range(0x09), *range(0x0A, 0x20), 0x7F])
"""What no header may hold (RFC 9110, section 5.5); the tab may stand in a value."""
_UNUSUAL = frozenset({b"connection", b"transfer-encoding"})
"""Headers that change how the answer goes out, which uvicorn sees to."""


_AS_LINE = b": ".join
"""Writes a header, which is a pair. All of them are written without a step of Python's for each."""


class AnswerCycle(RequestResponseCycle):
    """One request and its answer, as in uvicorn, which looks twice at each header with a regular expression."""

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "http.response.start" and self._is_usual():
            head = self._write_head(message)
            if head is not None:
                self.response_started = True
                self.waiting_for_100_continue = False
                self.transport.write(head)
                return
        await super().send(message)

    def _is_usual(self) -> bool:
        """Tell whether nothing has to be waited for or said beyond what is in the message."""
        return not (
            self.response_started
            or self.flow.write_paused
            or self.disconnected
            or self.access_log
            or not self.keep_alive
        )

    def _write_head(self, message: HTTPResponseStartEvent) -> bytes | None:
        """Write the head of an answer that tells its length; none if it is not such an answer, or not fit to go out."""
        # Those of all answers are uvicorn's: the date.
        headers = [*self.default_headers, *message.get("headers", ())]
        by_name = dict(headers)
        length = by_name.get(b"content-length")
        if length is None or not _UNUSUAL.isdisjoint(by_name):
            return None
        lines = b"\r\n".join(map(_AS_LINE, headers))
        head = b"%b%b\r\n\r\n" % (STATUS_LINE[message["status"]], lines)
        # The status, each header and the end are lines, which end with two control characters; there is no other.
        if len(head) - len(head.translate(None, _CONTROLS)) != 2 * (len(headers) + 2):
            return None
        self.expected_content_length, self.chunked_encoding = int(length), False
        return head
