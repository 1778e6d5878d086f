from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, Target

SEEDS = [
    pytest.param(target, seed, id=f"{name} {number}")
    for name, target in TARGETS.items()
    for number, seed in enumerate(target.seeds)
]


@pytest.mark.parametrize(("target", "seed"), SEEDS)
def test_seeds_break_nothing(target: Target, seed: bytes) -> None:
    target.check(seed)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
def test_what_is_near_a_seed_breaks_nothing(target: Target) -> None:
    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(
        st.sampled_from(target.seeds), st.integers(0, 4_000), st.integers(0, 8), st.binary(max_size=8) | st.just(b'"')
    )
    def check(seed: bytes, at: int, dropped: int, put: bytes) -> None:
        at %= len(seed) + 1
        target.check(seed[:at] + put + seed[at + dropped :])

    check()
