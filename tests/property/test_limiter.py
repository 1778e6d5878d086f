"""The limiter in memory is held against a model in fractions: it never lets one too many pass, nor one too few."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sanctum_messaging.adapters.memory.limiter import MemoryLimiter
from sanctum_messaging.domain.limits import Charge, Limit, Scope
from tests.conftest import HandClock
from tests.contract.limiting import ExactLimits

_MAXIMA = st.one_of(st.integers(1, 5), st.integers(1, 1_000), st.integers(1, 10**9))
_INTERVALS = st.one_of(st.sampled_from([1_000, 60_000, 86_400_000]), st.integers(1_000, 86_400_000))
_LIMITS = st.lists(st.tuples(_MAXIMA, _INTERVALS), min_size=1, max_size=4)
_STEPS = st.lists(
    st.tuples(
        st.one_of(st.just(0), st.integers(0, 1_000), st.integers(0, 90_000_000), st.just("wait")),
        st.lists(st.booleans(), min_size=4, max_size=4),
        st.sampled_from(["ann", "bob"]),
    ),
    min_size=1,
    max_size=60,
)


@given(_LIMITS, _STEPS)
@settings(max_examples=150, deadline=None)
def test_every_answer_is_that_of_the_exact_model(
    numbers: list[tuple[int, int]], steps: list[tuple[int | str, list[bool], str]]
) -> None:
    limits = [Limit(f"limit-{place}", Scope.USER, *each) for place, each in enumerate(numbers)]
    clock, model = HandClock(), ExactLimits()
    clock.seconds = 0
    limiter = MemoryLimiter(clock)
    retry_after = 0
    for pause, chosen, key in steps:
        model.now_ms += retry_after if isinstance(pause, str) else pause
        clock.seconds = (model.now_ms + 0.5) / 1000
        charges = [Charge(limit, key) for limit, wanted in zip(limits, chosen, strict=False) if wanted]
        charges = charges or [Charge(limits[0], key)]
        assert limiter.look(charges) == model.look(charges)
        verdict = limiter.take(charges)
        assert verdict == model.take(charges)
        retry_after = verdict.retry_after_ms
