"""What the hub does with a client's frames: the same actions as over HTTP, with the same refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from sanctum_messaging.actions.messages import NewMessage, send_message
from sanctum_messaging.actions.read_markers import move_read_marker
from sanctum_messaging.actions.typing import TypingThrottle, signal_typing
from sanctum_messaging.api.problems import refusal_of
from sanctum_messaging.domain.model import ConversationId, MessageId, Seq
from sanctum_messaging.ports.underway import Underway
from sanctum_messaging.presenters import present_message, present_read_marker
from sanctum_messaging.protocol.decoding import FieldFaultsError, NotJSONError
from sanctum_messaging.protocol.frames import Read, Send, Typing
from sanctum_messaging.protocol.metadata import read_metadata
from sanctum_messaging.protocol.resources import MessageResult
from sanctum_messaging.protocol.results import FrameResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sanctum_messaging.domain.model import Actor
    from sanctum_messaging.ports import Ports
    from sanctum_messaging.ports.log import AppendedMessage

ActionFrame = Send | Read | Typing


def create_on_frame(ports: Ports) -> Callable[[Actor, ActionFrame], Awaitable[FrameResult]]:
    """Make the hub's callable.

    It raises the actions' refusals. A ``Send`` is in the log's queue when the call returns, so that a connection's
    sends keep their order however the caller schedules what follows.
    """
    throttle = TypingThrottle()

    def on_frame(actor: Actor, frame: ActionFrame) -> Awaitable[FrameResult]:
        match frame:
            case Send():
                return Underway(send_message(ports, actor, _new_message(frame)), _present_sent)
            case Read():
                return _read(ports, actor, frame)
            case Typing():
                return _signal(ports, actor, frame, throttle)
            case _:
                assert_never(frame)

    return on_frame


def _present_sent(sent: AppendedMessage) -> FrameResult:
    return FrameResult(MessageResult(message=present_message(sent.message)), sent.replayed)


async def _signal(ports: Ports, actor: Actor, frame: Typing, throttle: TypingThrottle) -> FrameResult:
    await signal_typing(ports, actor, ConversationId(frame.conversation_id), on=frame.on, throttle=throttle)
    return FrameResult()


async def _read(ports: Ports, actor: Actor, frame: Read) -> FrameResult:
    marker = await move_read_marker(ports, actor, ConversationId(frame.conversation_id), seq=Seq(frame.seq))
    return FrameResult(present_read_marker(marker))


def _new_message(frame: Send) -> NewMessage:
    try:
        metadata = read_metadata(frame.metadata)
    except (FieldFaultsError, NotJSONError) as fault:
        raise refusal_of(fault) or fault from None
    return NewMessage(
        conversation_id=ConversationId(frame.conversation_id),
        client_message_id=frame.client_message_id,
        body=frame.body,
        type=frame.type,
        metadata=metadata,
        reply_to=None if frame.reply_to is None else MessageId(frame.reply_to),
    )
