"""What outlives a connection, and what there is to say about one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanctum_messaging.client.inbox import Inbox
    from sanctum_messaging.client.outbox import Outbox
    from sanctum_messaging.client.remarks import Remarks
    from sanctum_messaging.client.tokens import Tokens
    from sanctum_messaging.protocol.client_session import ClientSession


class State(StrEnum):
    """How a client is connected. It is live once the application has taken what was missed."""

    CONNECTING = "connecting"
    CATCHING_UP = "catchingUp"
    LIVE = "live"
    WAITING = "waiting"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Lasting:
    """What outlives a connection."""

    session: ClientSession
    inbox: Inbox
    outbox: Outbox
    remarks: Remarks
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class Over:
    """The next connection is to be opened: after this close code, and not before so many seconds.

    Without a code the client leaves by itself, because it can take events again.
    """

    code: int | None
    at_least: float = 0.0
