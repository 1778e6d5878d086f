"""What arrives on the channel: checked first, then handed to the hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from sanctum_messaging.adapters.redis.contents import decode_events, decode_signals, decode_takeovers
from sanctum_messaging.adapters.redis.envelope import Kind, RejectedError
from sanctum_messaging.domain.events import Committed
from sanctum_messaging.domain.model import Cursor, Position

if TYPE_CHECKING:
    from sanctum_messaging.adapters.redis.counts import BusCounts
    from sanctum_messaging.adapters.redis.envelope import Envelopes, Header
    from sanctum_messaging.ports.bus import Listener


class Reception:
    """Believes nothing that is not sealed, and opens nothing that is of no use."""

    def __init__(self, envelopes: Envelopes, counts: BusCounts) -> None:
        self._envelopes = envelopes
        self._counts = counts
        self._last_beat = 0

    def take(self, envelope: bytes, listener: Listener) -> bool:
        """Hand what is inside to the hub, whatever it may be. True for the echo of a heartbeat of our own."""
        try:
            return self._take(envelope, listener)
        except RejectedError as rejection:
            self._counts.rejected[rejection.fault] += 1
            return False

    def _take(self, envelope: bytes, listener: Listener) -> bool:
        header = self._envelopes.read_header(envelope)
        if self._is_of_no_use(header, listener):
            return False
        content = self._envelopes.open(envelope)
        match header.kind:
            case Kind.HEARTBEAT:
                return self._hear(header)
            case Kind.EVENTS:
                self._apply(header, content, listener)
            case Kind.SIGNALS:
                self._signal(header, content, listener)
            case Kind.TAKEOVERS:
                self._take_over(content, listener)
            case _:
                assert_never(header.kind)
        return False

    def _is_of_no_use(self, header: Header, listener: Listener) -> bool:
        """Tell by the header alone; one that lies can bring about no more than the loss of its own envelope."""
        if header.kind is Kind.HEARTBEAT:
            return not header.is_own
        if header.is_own:
            self._counts.dropped_own += 1
            return True
        if header.kind is Kind.EVENTS and header.last <= listener.tail.position:
            self._counts.dropped_applied += 1
            return True
        return False

    def _hear(self, header: Header) -> bool:
        """Only a heartbeat that is newer than the last one proves that the link is alive."""
        is_newer = header.last > self._last_beat
        self._last_beat = max(self._last_beat, header.last)
        return is_newer

    def _apply(self, header: Header, content: bytes, listener: Listener) -> None:
        events = decode_events(content)
        # Whoever has the key means no harm, but what he skipped by mistake would be missed for ever.
        if [event.position for event in events] != list(range(header.first, header.last + 1)):
            raise RejectedError("garbled")
        self._counts.received += 1
        self._counts.received_events += len(events)
        listener.apply(Committed(Cursor(Position(header.first - 1), header.tag), events))

    def _signal(self, header: Header, content: bytes, listener: Listener) -> None:
        for signal in decode_signals(content):
            self._counts.signals += 1
            listener.apply_signal(signal, Position(header.last))

    def _take_over(self, content: bytes, listener: Listener) -> None:
        for takeover in decode_takeovers(content):
            self._counts.takeovers += 1
            listener.apply_takeover(takeover)
