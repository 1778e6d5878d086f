"""The bus: how the hubs of all instances learn of commits, and of what is not durable.

Actions and the writer speak to ``Bus``; what it brings is handed to the instance's ``Listener``, which is its hub.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sanctum_messaging.domain.events import Committed, Signal
    from sanctum_messaging.domain.model import Cursor, Position
    from sanctum_messaging.ports.resume_store import Takeover


class Bus(Protocol):
    """A hint, never a decision: losing any or all of what is published costs latency, nothing else.

    The own hub hears everything at once, by a plain call; the others when the network brings it, if it does.
    """

    def publish(self, committed: Committed) -> None:
        """Tell every hub what a commit appended, in the order of commits. Never blocks and never fails."""
        ...

    def signal(self, signal: Signal) -> None:
        """Hand a signal to every hub. Never blocks and never fails; a signal may be lost."""
        ...

    def announce(self, takeover: Takeover) -> None:
        """Tell every hub that a session was taken over, so that its old socket ends at once. May be lost."""
        ...


class Listener(Protocol):
    """What a bus needs of a hub. Everything is synchronous, called on the event loop, and never raises."""

    @property
    def tail(self) -> Cursor:
        """The newest event applied; it travels with each signal, so that none arrives before what it speaks of."""
        ...

    def apply(self, committed: Committed) -> None:
        """Take what a commit appended: late, twice, out of order or never, as the bus brings it."""
        ...

    def apply_signal(self, signal: Signal, after: Position) -> None:
        """Take a signal, and show it once everything up to a position was applied; a second later it is dropped."""
        ...

    def apply_takeover(self, takeover: Takeover) -> None:
        """End the socket that holds an older generation of the session."""
        ...

    def sweep(self) -> None:
        """Look at the database soon: something may have been missed."""
        ...
