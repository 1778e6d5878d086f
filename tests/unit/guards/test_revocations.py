"""Whose token is revoked, and whose is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sanctum_messaging.domain.errors import RevokedError
from sanctum_messaging.domain.model import Actor, DeviceId, Millis, SessionId, TenantId, UserId
from sanctum_messaging.domain.revocation import REVOCATION_KEPT_MS, Revocation, RevocationKind
from sanctum_messaging.guards.revocations import KnownRevocations

NOW = Millis(1_700_000_000_000)
ANN = Actor(
    TenantId("acme"),
    UserId("ann"),
    DeviceId("phone"),
    SessionId("s1"),
    Millis(NOW + 1_000),
    token_id="t1",
    issued_at=Millis(NOW - 1),
)
USER, SESSION, TOKEN = RevocationKind


def revocation(kind: RevocationKind, value: str, *, tenant: str = "acme", at: int = NOW, number: int = 1) -> Revocation:
    return Revocation(number, TenantId(tenant), kind, value, Millis(at), Millis(at))


def known(*revocations: Revocation) -> KnownRevocations:
    known = KnownRevocations()
    known.learn(revocations, NOW)
    return known


def test_nobody_is_revoked_at_first() -> None:
    KnownRevocations().check(ANN)
    assert len(KnownRevocations()) == 0


@pytest.mark.parametrize(("kind", "value"), [(USER, "ann"), (SESSION, "s1"), (TOKEN, "t1")])
def test_s_a8_who_just_passed_is_refused_from_then_on(kind: RevocationKind, value: str) -> None:
    revocations = known(revocation(TOKEN, "another"))
    revocations.check(ANN)
    revocations.learn([revocation(kind, value)], NOW)
    for _ in range(2):
        with pytest.raises(RevokedError):
            revocations.check(ANN)


@pytest.mark.parametrize(("kind", "value"), [(USER, "ann"), (SESSION, "s1"), (TOKEN, "t1")])
def test_s_a8_what_is_named_is_refused(kind: RevocationKind, value: str) -> None:
    with pytest.raises(RevokedError):
        known(revocation(kind, value)).check(ANN)


@pytest.mark.parametrize(
    "other",
    [
        revocation(USER, "bob"),
        revocation(SESSION, "s2"),
        revocation(TOKEN, "t2"),
        revocation(USER, "s1"),
        revocation(SESSION, "t1"),
        revocation(TOKEN, "ann"),
        revocation(USER, "ann", tenant="other"),
        revocation(SESSION, "s1", tenant="other"),
        revocation(TOKEN, "t1", tenant="other"),
    ],
)
def test_others_pass(other: Revocation) -> None:
    known(other).check(ANN)


def test_a_token_issued_after_its_user_was_revoked_is_good() -> None:
    later = replace(ANN, issued_at=NOW)
    revocations = known(revocation(USER, "ann"))
    revocations.check(later)
    assert revocations.is_revoked(ANN)
    assert known(revocation(SESSION, "s1")).is_revoked(later), "a session is revoked for good"


def test_a_token_that_does_not_say_when_it_was_issued_counts_as_older() -> None:
    assert known(revocation(USER, "ann")).is_revoked(replace(ANN, issued_at=Millis(0)))


def test_a_token_without_an_id_is_no_token_of_that_name() -> None:
    assert not known(revocation(TOKEN, "t1")).is_revoked(replace(ANN, token_id=None))


def test_who_acts_for_another_is_judged_by_his_own_token() -> None:
    acting = replace(ANN, service=True, impersonating=True, user=UserId("ann"), subject=UserId("backend"))
    assert not known(revocation(USER, "ann")).is_revoked(acting)
    assert known(revocation(USER, "backend")).is_revoked(acting)


def test_the_strictest_of_two_revocations_of_a_user_holds_in_any_order() -> None:
    strict, mild = revocation(USER, "ann", number=1), revocation(USER, "ann", at=NOW - 10, number=2)
    for order in ([strict, mild], [mild, strict]):
        revocations = known(*order)
        assert revocations.is_revoked(ANN)
        assert len(revocations) == 1


def test_they_are_forgotten_after_their_time_when_others_come() -> None:
    revocations = known(*(revocation(kind, value) for kind, value in ((USER, "ann"), (SESSION, "s1"), (TOKEN, "t1"))))
    later = Millis(NOW + REVOCATION_KEPT_MS)
    revocations.learn([revocation(USER, "bob", at=later)], later)
    assert len(revocations) == 1
    revocations.check(ANN)
