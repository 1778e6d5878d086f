from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sanctum_messaging.adapters.redis import contents
from sanctum_messaging.domain.events import Event, EventKind, Signal
from sanctum_messaging.ports.resume_store import Takeover
from tests.unit.adapters.redis import happened


@pytest.mark.parametrize("kind", EventKind)
@given(data=st.data())
@settings(max_examples=30)
def test_an_event_of_every_kind_comes_out_as_it_went_in(kind: EventKind, data: st.DataObject) -> None:
    event = data.draw(happened.events_of(kind))
    decoded = contents.decode_events(contents.encode_row([contents.encode_event(event)]))
    assert decoded == (event,)
    assert type(decoded[0].kind) is EventKind


@given(st.lists(st.sampled_from(EventKind).flatmap(happened.events_of), max_size=5))
@settings(max_examples=50)
def test_a_row_keeps_all_its_events_in_order(events: list[Event]) -> None:
    row = contents.encode_row([contents.encode_event(event) for event in events])
    assert contents.decode_events(row) == tuple(events)


@given(st.lists(happened.signals, max_size=5), st.lists(happened.takeovers, max_size=5))
def test_signals_and_takeovers_come_out_as_they_went_in(signals: list[Signal], takeovers: list[Takeover]) -> None:
    assert contents.decode_signals(contents.encode_row([contents.encode_hint(each) for each in signals])) == signals
    assert contents.decode_takeovers(contents.encode_row([contents.encode_hint(each) for each in takeovers])) == (
        takeovers
    )
