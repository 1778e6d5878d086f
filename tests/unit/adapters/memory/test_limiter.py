from __future__ import annotations

from sanctum_messaging.adapters.memory.limiter import FEW, MAX_FOUND, MemoryLimiter
from sanctum_messaging.domain.limits import Charge, Limit, Scope
from tests.conftest import HandClock

FAILURES = Limit("auth-failures", Scope.ADDRESS, 10, 60_000)


def used_up(limiter: MemoryLimiter, key: str) -> list[Charge]:
    charges = [Charge(FAILURES, key)]
    while limiter.take(charges).refused is None:
        pass
    return charges


def test_what_would_be_refused_is_told_before_and_nothing_is_taken_for_it(clock: HandClock) -> None:
    limiter, told = MemoryLimiter(clock), []
    charges = [Charge(Limit("send-user", Scope.USER, 3, 60_000), "ann"), Charge(FAILURES, "ann")]
    for _ in range(40):
        looked = [limiter.find_refusal(charges) for _ in range(3)]
        verdict = limiter.take(charges)
        refused = None if verdict.refused is None else (verdict.refused, verdict.retry_after_ms)
        assert looked == [refused] * 3
        told.append(refused)
        clock.advance(5.0)
    assert told.count(None) not in {0, len(told)}


def test_what_charges_are_counted_in_is_found_again_once_it_is_forgotten(clock: HandClock) -> None:
    limiter = MemoryLimiter(clock)
    charges = [(Charge(FAILURES, f"address-{number}"),) for number in range(MAX_FOUND + 10)]
    for remaining in (9, 8, 7):
        assert {limiter.take(each).left[0][0] for each in charges} == {remaining}
    assert len(limiter._found) <= MAX_FOUND


def test_a_list_of_charges_may_hold_others_the_next_time(clock: HandClock) -> None:
    limiter, charges = MemoryLimiter(clock), [Charge(FAILURES, "one")]
    limiter.take(charges)
    charges[0] = Charge(FAILURES, "other")
    assert limiter.take(charges).left[0][0] == 9


def test_no_more_callers_are_remembered_than_there_is_room_for(clock: HandClock) -> None:
    limiter = MemoryLimiter(clock, max_callers=100)
    for number in range(1_000):
        assert limiter.take([Charge(FAILURES, f"address-{number}")]).refused is None
    assert len(limiter) == 100


def test_a_flood_of_other_names_does_not_end_a_refusal(clock: HandClock) -> None:
    limiter = MemoryLimiter(clock, max_callers=100)
    charges = used_up(limiter, "attacker")
    for number in range(5_000):
        limiter.take([Charge(FAILURES, f"address-{number}")])
    assert limiter.take(charges).refused is FAILURES


def test_what_a_refusal_gives_back_may_be_forgotten_by_then(clock: HandClock) -> None:
    limiter, spent = MemoryLimiter(clock, max_callers=1), Limit("spent", Scope.USER, 1, 60_000)
    limiter.take([Charge(spent, "ann")])
    refused = limiter.take([Charge(FAILURES, "one"), Charge(FAILURES, "other"), Charge(spent, "ann")])
    assert refused.refused is spent
    assert [level.remaining for level in limiter.look([Charge(FAILURES, "one"), Charge(FAILURES, "other")])] == [10, 10]
    assert len(limiter) <= 2


def test_a_flood_of_one_limit_does_not_touch_another(clock: HandClock) -> None:
    limiter = MemoryLimiter(clock, max_callers=4)
    sends = Limit("send-user", Scope.USER, 1, 60_000)
    assert limiter.take([Charge(sends, "ann")]).refused is None
    for number in range(50):
        used_up(limiter, f"address-{number}")
    assert limiter.take([Charge(sends, "ann")]).refused is sends


def test_who_has_all_of_his_limit_again_makes_room_for_who_has_not(clock: HandClock) -> None:
    limiter = MemoryLimiter(clock, max_callers=1_000)
    for number in range(1_000):
        limiter.take([Charge(FAILURES, f"address-{number}")])
    clock.advance(60)
    others = [[Charge(FAILURES, f"other-{number}")] for number in range(1_000)]
    for each in others:
        limiter.take(each)
    assert {limiter.look(each)[0].remaining for each in others} == {9}
    assert len(limiter) == 1_000


def test_of_many_callers_those_are_forgotten_who_have_all_of_their_limit_again(clock: HandClock) -> None:
    limiter = MemoryLimiter(clock)
    for number in range(2 * FEW):
        limiter.take([Charge(FAILURES, f"address-{number}")])
    clock.advance(60)
    for number in range(2 * FEW):
        limiter.take([Charge(FAILURES, f"other-{number}")])
    assert len(limiter) == 2 * FEW


def test_a_limit_that_was_changed_begins_anew(clock: HandClock) -> None:
    limiter = MemoryLimiter(clock)
    used_up(limiter, "attacker")
    changed = Limit(FAILURES.name, Scope.ADDRESS, 3, 60_000)
    verdict = limiter.take([Charge(changed, "attacker")])
    assert verdict.refused is None
    assert verdict.levels[0].remaining == 2


def test_an_equal_limit_is_the_same_limit(clock: HandClock) -> None:
    limiter = MemoryLimiter(clock)
    used_up(limiter, "attacker")
    equal = Limit(FAILURES.name, Scope.ADDRESS, 10, 60_000)
    assert limiter.take([Charge(equal, "attacker")]).refused == FAILURES
