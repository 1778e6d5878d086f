"""The limiters are held against a model in fractions: they never let one too many pass, nor one too few."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from sanctum_messaging.adapters import redis as adapter
from sanctum_messaging.adapters.memory.limiter import MemoryLimiter
from sanctum_messaging.adapters.redis.limit_batch import Batch, Check
from sanctum_messaging.domain.limits import Charge, Level, Limit, Scope, Verdict
from tests.conftest import HandClock
from tests.contract.limiting import Answer, ExactLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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


_CLOCK = "redis.call('TIME')"


@given(_LIMITS, _STEPS)
@settings(max_examples=150, deadline=None)
def test_every_answer_of_the_memory_is_that_of_the_exact_model(
    numbers: list[tuple[int, int]], steps: list[tuple[int | str, list[bool], str]]
) -> None:
    clock = HandClock()
    limiter = MemoryLimiter(clock)

    def look_and_take(now_ms: int, charges: Sequence[Charge]) -> tuple[tuple[Level, ...], Verdict]:
        clock.seconds = (now_ms + 0.5) / 1000
        return limiter.look(charges), limiter.take(charges)

    hold_against_the_model(look_and_take, numbers, steps)


@given(_LIMITS, _STEPS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_answer_of_the_script_is_that_of_the_exact_model(
    valkey_url: str, numbers: list[tuple[int, int]], steps: list[tuple[int | str, list[bool], str]]
) -> None:
    with Redis.from_url(valkey_url) as redis, asyncio.Runner() as runner:
        redis.flushall()
        script = redis.register_script(_script_with_a_clock_of_ours())
        future = runner.get_loop().create_future()

        def look_and_take(now_ms: int, charges: Sequence[Charge]) -> tuple[tuple[Level, ...], Verdict]:
            batch = Batch("log-1", lambda _: 0)
            for takes in (False, True):
                batch.add(Check(charges, takes, future))
            time = (1_700_000_000 + now_ms // 1000, now_ms % 1000 * 1000 + 500)
            _, (look, take) = batch.read(script(keys=batch.keys, args=[batch.encode(""), *time]))
            return look.verdict().levels, take.verdict()

        hold_against_the_model(look_and_take, numbers, steps)


def hold_against_the_model(
    look_and_take: Callable[[int, Sequence[Charge]], tuple[tuple[Level, ...], Verdict]],
    numbers: list[tuple[int, int]],
    steps: list[tuple[int | str, list[bool], str]],
) -> None:
    limits = [Limit(f"limit-{place}", Scope.USER, *each) for place, each in enumerate(numbers)]
    model, retry_after = ExactLimits(), 0
    known: dict[tuple[Charge, ...], tuple[Charge, ...]] = {}
    for pause, chosen, key in steps:
        model.now_ms += retry_after if isinstance(pause, str) else pause
        charges = tuple(Charge(limit, key) for limit, wanted in zip(limits, chosen, strict=False) if wanted)
        # The same uses are the same object each time, as those of a caller are.
        charges = charges or (Charge(limits[0], key),)
        charges = known.setdefault(charges, charges)
        expected = (model.look(charges), model.take(charges))
        levels, verdict = look_and_take(model.now_ms, charges)
        assert (levels, Answer.of(verdict)) == expected
        assert expected[1].is_tightest(verdict.levels[verdict.tightest])
        retry_after = expected[1].retry_after_ms


def _script_with_a_clock_of_ours() -> str:
    """Let the time come from the test, also the time at which keys go."""
    script = files(adapter).joinpath("limiter.lua").read_text("utf-8")
    assert script.count(_CLOCK) == script.count(", 'PX', left") == 1
    return script.replace(_CLOCK, "{ARGV[2], ARGV[3]}").replace(", 'PX', left", "")
