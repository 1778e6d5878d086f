"""Reading a client's WebSocket frames, with a bound on everything that costs something before a message is whole.

websockets' protocol does the work: it refuses what is no frame (1002) and what is too large (1009). What is added: too
many control frames, and a message in too many pieces (4007); a text that is no UTF-8 (1007), behind which nothing is
taken; and control frames between the pieces of a message have a place there, whatever they are and however long it is.
"""

from __future__ import annotations

from codecs import utf_8_decode
from typing import TYPE_CHECKING

from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Protocol, State

from sanctum_messaging.protocol.codes import CLOSE_REASONS, CloseCode
from sanctum_messaging.protocol.frame_rate import FrameRate
from sanctum_messaging.server.limits import CONTROL_FRAMES_PER_SECOND, MAX_FRAGMENTS

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable


# An enum's member is looked up at ten times the price of a module's name.
_TEXT = Opcode.TEXT
_BINARY = Opcode.BINARY
_CLOSE = Opcode.CLOSE
_CONT = Opcode.CONT
_OPEN = State.OPEN
_MAX_CONTROL_BYTES = 125


class FloodError(Exception):
    """Kept as the reason why nothing more is parsed."""


class FrameReader(Protocol):
    """The frames of one connection. ``may_answer`` tells whether the client takes what it is sent."""

    def __init__(
        self,
        *,
        may_answer: Callable[[], bool],
        monotonic: Callable[[], float],
        max_size: int,
        logger: logging.Logger,
    ) -> None:
        # The parser also holds control frames to what is left of the message that they stand in.
        super().__init__(
            side=SERVER, state=State.OPEN, max_size=(max_size + _MAX_CONTROL_BYTES, max_size), logger=logger
        )
        self._may_answer = may_answer
        self._monotonic = monotonic
        self._control = FrameRate(CONTROL_FRAMES_PER_SECOND)
        self._fragments = 0
        self._is_text = False
        """Whether the message is one, of which a piece came last."""
        self._letter = b""
        """The beginning of a letter that goes on in the next piece."""
        self._ends_frame = True
        """Whether what came last came to its end with a frame."""

    @property
    def is_amid(self) -> bool:
        """Whether a message, or a frame, has begun and is not whole."""
        return self.current_size is not None or not self._ends_frame

    @property
    def is_between_messages(self) -> bool:
        """Whether what comes next may be a message that is read without the parser, as long as it is all there."""
        return self.current_size is None and self._ends_frame and self.state is _OPEN

    def receive_data(self, data: bytes | bytearray) -> None:
        """Parse what came."""
        self._ends_frame = False
        super().receive_data(data)

    def recv_frame(self, frame: Frame) -> None:
        """Take a frame that was parsed; the parser calls this."""
        self._ends_frame = not self.reader.buffer
        opcode = frame.opcode
        if opcode is _TEXT or opcode is _BINARY:
            self._fragments = 1
            self._is_text = opcode is _TEXT
        elif not self._admits(frame):
            return
        if self._is_text and (opcode is _TEXT or opcode is _CONT):
            self._check_letters(frame)
        super().recv_frame(frame)

    def _admits(self, frame: Frame) -> bool:
        """Tell whether one of the frames is taken that begin no message."""
        opcode = frame.opcode
        if opcode is _CLOSE:
            # RFC 6455, section 5.4: it may stand within a message, which is then never whole.
            self.current_size = None
            return True
        if opcode is _CONT:
            self._fragments += 1
            is_flood = self._fragments > MAX_FRAGMENTS
            self._check_size(frame)
        else:
            is_flood = self._control.find_wait(self._monotonic()) > 0
        if is_flood:
            self.end_flood()
            return False
        # RFC 6455, section 5.5.3: whoever does not read is owed an answer to the latest ping at most.
        return opcode is not Opcode.PING or self._may_answer()

    def _check_size(self, frame: Frame) -> None:
        """Refuse a piece that makes a message too large; the parser answers for what is raised here."""
        size = (self.current_size or 0) + len(frame.data)
        if self.max_fragment_size is not None and size > self.max_fragment_size:
            raise PayloadTooBig(size, self.max_fragment_size)

    def _check_letters(self, frame: Frame) -> None:
        """Refuse a text with the first piece that is no UTF-8; the parser answers for what is raised here."""
        letters = self._letter + frame.data
        _, taken = utf_8_decode(letters, "strict", frame.fin)
        self._letter = letters[taken:]
        self._is_text = not frame.fin

    def part(self) -> None:
        """Parse nothing any more: the parser and this hold each other, and would outlive their use."""
        self.parser.close()
        # What it has raised holds this, too.
        self.parser_exc = None

    def end_flood(self) -> None:
        """Close for what is more than a client may say, and parse nothing any more."""
        self.fail(CloseCode.FLOOD, CLOSE_REASONS[CloseCode.FLOOD])
        self.parser_exc = FloodError()
