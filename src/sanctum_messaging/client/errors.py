"""What a client is told that went wrong.

SanctumError
    Refused             the service refused a call or a send, and ``problem`` says why
    Unreachable         nobody answered, or nobody who speaks this protocol
    Unauthenticated     the access token is not accepted, and there is no fresh one
    ConnectionEnded     the service closed the socket for good, and ``code`` says why
    OutboxFull          too much waits to be sent
    ClientClosed        the client was closed before it was done
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UnsetType

from sanctum_messaging.protocol.codes import CLOSE_REASONS, CloseCode

if TYPE_CHECKING:
    from sanctum_messaging.protocol.resources import Problem


class SanctumError(Exception):
    """The root of what this client raises on purpose."""


class Refused(SanctumError):
    """The service refused it. Codes are listed in docs/errors.md, "Problem codes"."""

    def __init__(self, problem: Problem) -> None:
        """Keep the problem."""
        super().__init__(f"{problem.code}: {problem.detail or problem.title}")
        self.problem = problem

    @property
    def code(self) -> str:
        """The kind of problem, such as ``not_found``."""
        return self.problem.code

    @property
    def status(self) -> int:
        """The HTTP status of the kind."""
        return self.problem.status

    @property
    def retry_after(self) -> float | None:
        """How many seconds to wait before the same may succeed; none where nobody knows."""
        milliseconds = self.problem.retry_after_ms
        return None if isinstance(milliseconds, UnsetType) else milliseconds / 1000


class Unreachable(SanctumError):
    """Nobody answered a call. Whether it was done is unknown; what reads, and what has a key, may be repeated."""


class Unauthenticated(SanctumError):
    """The access token is not accepted, and whoever gives tokens had no other."""


class ConnectionEnded(SanctumError):
    """The service closed the socket with a code after which a client does not come back by itself."""

    def __init__(self, code: int) -> None:
        """Keep the code."""
        known = code in CloseCode.__members__.values()
        super().__init__(f"{code}: {CLOSE_REASONS[CloseCode(code)] if known else 'The service said so.'}")
        self.code = code


class OutboxFull(SanctumError):
    """As many messages wait to be sent as may."""


class ClientClosed(SanctumError):
    """The client was closed; what it had not sent is still in its outbox, if that is kept somewhere."""
