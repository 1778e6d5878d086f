"""One message on its way, and what is held against the rules of the service before it goes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sanctum_messaging.client.errors import Refused
from sanctum_messaging.client.problems import own_problem
from sanctum_messaging.protocol.codec import BadFrameError, RefusedFrameError, decode_frame, encode_frame
from sanctum_messaging.protocol.frames import Send

if TYPE_CHECKING:
    from collections.abc import Generator

    from sanctum_messaging.client.errors import SanctumError
    from sanctum_messaging.client.outbox_storage import Outgoing
    from sanctum_messaging.protocol.frames import Read, Typing
    from sanctum_messaging.protocol.requests import SendMessage
    from sanctum_messaging.protocol.resources import MessageResource


class Sending:
    """A message on its way. Awaiting it gives the message as the service has it, or raises why it has not."""

    def __init__(self, number: int, outgoing: Outgoing) -> None:
        """Begin to send."""
        self.number = number
        self.outgoing = outgoing
        self.refusals = 0
        self._outcome: MessageResource | SanctumError | None = None
        self._settled = asyncio.Event()

    @property
    def message(self) -> SendMessage:
        """What is sent."""
        return self.outgoing.message

    @property
    def is_settled(self) -> bool:
        """Whether awaiting it returns, or raises, at once."""
        return self._settled.is_set()

    @property
    def frame(self) -> Send:
        """The frame that asks for it."""
        return _frame_of(self.message, str(self.number))

    def settle(self, outcome: MessageResource | SanctumError) -> None:
        """Tell those who wait; the first outcome stands."""
        if self._outcome is None:
            self._outcome = outcome
            self._settled.set()

    def __await__(self) -> Generator[object, None, MessageResource]:
        """Wait for what becomes of it; whoever stops waiting does not stop the message."""
        return self._wait().__await__()

    async def _wait(self) -> MessageResource:
        await self._settled.wait()
        if isinstance(self._outcome, Exception):
            raise self._outcome
        assert self._outcome is not None  # noqa: S101 - it was settled
        return self._outcome


def check_message(message: SendMessage) -> None:
    """Hold a message to the rules of the service, so that no frame goes out that would end the connection.

    Raises:
        Refused: the service would not have it.
    """
    check_frame(_frame_of(message, "0"))


def check_frame(frame: Send | Read | Typing) -> None:
    """Hold any frame to them.

    Raises:
        Refused: the service would not have it.
    """
    try:
        decode_frame(encode_frame(frame).decode())
    except RefusedFrameError as error:
        raise Refused(own_problem(error.code, error.faults)) from error
    except (BadFrameError, UnicodeEncodeError) as error:
        raise Refused(own_problem("invalid")) from error


def _frame_of(message: SendMessage, frame_id: str) -> Send:
    return Send(id=frame_id, **{name: getattr(message, name) for name in message.__struct_fields__})
