"""Reading a client's WebSocket frames, with a bound on everything that costs something before a message is whole.

websockets' protocol does the work: it refuses what is no frame (1002) and what is too large (1009). What is added: too
many control frames, and a message in too many pieces (4007).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from sanctum_messaging.protocol.codes import CLOSE_REASONS, CloseCode
from sanctum_messaging.protocol.frame_rate import FrameRate
from sanctum_messaging.server.limits import CONTROL_FRAMES_PER_SECOND, MAX_FRAGMENTS

if TYPE_CHECKING:
    from collections.abc import Callable


# An enum's member is looked up at ten times the price of a module's name.
_TEXT = Opcode.TEXT
_BINARY = Opcode.BINARY
_CONNECTING = State.CONNECTING


class FloodError(Exception):
    """Kept as the reason why nothing more is parsed."""


class FrameReader(ServerProtocol):
    """The frames of one connection. ``may_answer`` tells whether the client takes what it is sent."""

    def __init__(
        self,
        *,
        may_answer: Callable[[], bool],
        monotonic: Callable[[], float],
        **named: Any,  # noqa: ANN401 - they are websockets' affair
    ) -> None:
        super().__init__(**named)
        self._may_answer = may_answer
        self._monotonic = monotonic
        self._control = FrameRate(CONTROL_FRAMES_PER_SECOND)
        self._fragments = 0
        self._ends_frame = True
        """Whether what came last came to its end with a frame, or with the handshake."""

    @property
    def is_amid(self) -> bool:
        """Whether a message, or a frame, has begun and is not whole."""
        return self.current_size is not None or not self._ends_frame

    def receive_data(self, data: bytes | bytearray) -> None:
        """Parse what came."""
        self._ends_frame = self.state is _CONNECTING
        super().receive_data(data)

    def recv_frame(self, frame: Frame) -> None:
        """Take a frame that was parsed; the parser calls this."""
        self._ends_frame = not self.reader.buffer
        opcode = frame.opcode
        if opcode is _TEXT or opcode is _BINARY:
            self._fragments = 1
        elif not self._admits(opcode):
            return
        super().recv_frame(frame)

    def _admits(self, opcode: Opcode) -> bool:
        """Tell whether one of the frames is taken that cost something and bring no message."""
        if opcode is Opcode.CLOSE:
            return True
        if opcode is Opcode.CONT:
            self._fragments += 1
            is_flood = self._fragments > MAX_FRAGMENTS
        else:
            is_flood = self._control.find_wait(self._monotonic()) > 0
        if is_flood:
            self.end_flood()
            return False
        # RFC 6455, section 5.5.3: whoever does not read is owed an answer to the latest ping at most.
        return opcode is not Opcode.PING or self._may_answer()

    def end_flood(self) -> None:
        """Close for what is more than a client may say, and parse nothing any more."""
        self.fail(CloseCode.FLOOD, CLOSE_REASONS[CloseCode.FLOOD])
        self.parser_exc = FloodError()
