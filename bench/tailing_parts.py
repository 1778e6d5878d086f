"""What an event of another instance costs, taken to pieces: the seal, decoding, applying, and what is left for later.

In this process, with envelopes as they come, for a hub whose ring is full and whose connections are none.
"""

from __future__ import annotations

import gc
import itertools
import time
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.measuring import Run, median, micros
from bench.stores import build_draft, open_store
from sanctum_messaging.adapters.redis.contents import decode_events, encode_event, encode_row
from sanctum_messaging.adapters.redis.counts import BusCounts
from sanctum_messaging.adapters.redis.envelope import Envelopes, Header, Kind
from sanctum_messaging.adapters.redis.reception import Reception
from sanctum_messaging.adapters.sql.appends import draw_tags, event_of_draft, message_of_draft
from sanctum_messaging.app import GC_THRESHOLDS
from sanctum_messaging.domain.events import Committed
from sanctum_messaging.domain.model import ORIGIN, ConversationId, Cursor, Position, Seq
from sanctum_messaging.hub.hub import WebSocketHub
from sanctum_messaging.presenters import encode_event as encode_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import NoReturn

    from sanctum_messaging.domain.events import Event
    from sanctum_messaging.ports.log import EventLog

LARGEST = 256
BATCHES = (1, 16, LARGEST)
_WHOLE = "all of it"
_RING = 20_000
_EVENTS = 2_048
"""Of one round."""
_KEY = b"a key of at least this length, for a bus"


async def measure_parts(run: Run) -> list[Figure]:
    """Measure the whole for each size of a batch, and the parts for the largest."""
    gc.set_threshold(*GC_THRESHOLDS)
    with open_store(run.folder / "parts") as store:
        world = _World(_open_hub(store))
        for _ in range(_RING // _EVENTS + 1):
            world.receive(world.publish(_EVENTS, LARGEST))
        gc.freeze()
        rounds = {size: [world.measure(size) for _ in range(2 * run.rounds)] for size in BATCHES}
        size = len(world.publish(LARGEST, LARGEST)[0]) / LARGEST
    least = micros(min(each[_WHOLE] for each in rounds[LARGEST]))
    return [
        *(_figure(rounds, size, _WHOLE) for size in BATCHES),
        Figure(name=f"tailing: {_WHOLE}, in the least disturbed round", value=least, unit="µs"),
        *(_figure(rounds, LARGEST, name) for name in rounds[LARGEST][0] if name != _WHOLE),
        Figure(name="tailing: an event on the bus", value=size, unit="bytes"),
    ]


def _figure(rounds: Mapping[int, Sequence[Mapping[str, float]]], size: int, name: str) -> Figure:
    value = micros(median([each[name] for each in rounds[size]]))
    return Figure(name=f"tailing: {name}, envelopes of {size}", value=value, unit="µs")


class _World:
    """Who publishes, and who receives."""

    def __init__(self, hub: WebSocketHub) -> None:
        self._hub = hub
        self._theirs = Envelopes(log_id="log", key=_KEY, instance="theirs")
        self._ours = Envelopes(log_id="log", key=_KEY, instance="ours")
        self._reception = Reception(self._ours, BusCounts())
        self._last: Cursor = ORIGIN
        self._conversations = [ConversationId(f"01900000-0000-7000-8000-{number:012x}") for number in range(20)]
        self._numbers = itertools.count()

    def publish(self, events: int, size: int) -> list[bytes]:
        """Write envelopes of so many events each."""
        return [self._seal([self._next_event() for _ in range(size)]) for _ in range(events // size)]

    def receive(self, envelopes: Sequence[bytes]) -> None:
        """Take them as the bus does."""
        for envelope in envelopes:
            self._reception.take(envelope, self._hub)
        assert self._hub.tail == self._last

    def measure(self, size: int) -> dict[str, float]:
        """Return the time per event, in seconds, of the whole and of its parts."""
        whole = self.publish(_EVENTS, size)
        times = {_WHOLE: _time(lambda: self.receive(whole))}
        parted = self.publish(_EVENTS, size)
        contents = [self._ours.open(each) for each in parted]
        decoded = [decode_events(each) for each in contents]
        headers = [self._ours.read_header(each) for each in parted]
        commits = [Committed(Cursor(Position(h.first - 1), h.tag), e) for h, e in zip(headers, decoded, strict=True)]
        times["the seal"] = _time(lambda: [(self._ours.read_header(each), self._ours.open(each)) for each in parted])
        times["decoding"] = _time(lambda: [decode_events(each) for each in contents])
        times["applying"] = _time(lambda: self._apply(commits))
        times["encoding its frame, once it is wanted"] = _time(
            lambda: [encode_frame(e) for each in decoded for e in each]
        )
        return times

    def _apply(self, commits: Sequence[Committed]) -> None:
        for committed in commits:
            self._hub.apply(committed)

    def _seal(self, events: Sequence[Event]) -> bytes:
        header = Header(Kind.EVENTS, events[-1].position, events[0].position, self._last.tag)
        self._last = events[-1].cursor
        return self._theirs.seal(header, encode_row([encode_event(each) for each in events]))

    def _next_event(self) -> Event:
        number = next(self._numbers)
        draft = build_draft(self._conversations[number % len(self._conversations)])
        message = message_of_draft(draft, Seq(number // len(self._conversations) + 1))
        return event_of_draft(draft, message, Cursor(Position(number + 1), draw_tags(1)[0]))


def _open_hub(log: EventLog) -> WebSocketHub:
    """Make a hub that nobody connects to; it is not entered, since nothing has to be read."""
    return WebSocketHub(
        authenticate=_nobody,
        load_resume_state=_nobody,
        persist_resume_state=_nobody,
        drop_resume_state=_nobody,
        log=log,
        on_frame=_nobody,
    )


async def _nobody(*_: object, **__: object) -> NoReturn:
    raise LookupError


def _time(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return (time.process_time() - begun) / _EVENTS
