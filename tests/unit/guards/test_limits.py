"""Which limits a use draws on, and under which names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.domain.limits import Use
from sanctum_messaging.domain.model import DeviceId, SessionId, TenantId
from sanctum_messaging.guards.limits import Limits, LimitSettings
from tests.acting import actor
from tests.unit.guards.conftest import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.domain.limits import Charge

LIMITS = Limits(SETTINGS)
ADDRESS = "203.0.113.7"


def names(charges: Sequence[Charge]) -> list[str]:
    return [charge.limit.name for charge in charges]


@pytest.mark.parametrize(
    ("use", "of_address", "of_actor"),
    [
        (Use.SEND, ["requests-address"], ["send-device", "send-session", "send-user"]),
        (Use.READ, ["requests-address"], ["read-user"]),
        (Use.CREATE, ["requests-address"], ["create-user"]),
        (Use.CONNECT, ["requests-address", "connect-address"], ["connect-user"]),
        (Use.OPEN, [], ["connect-user"]),
        (Use.RENEW, [], []),
    ],
)
def test_each_use_draws_on_its_own_limits(use: Use, of_address: list[str], of_actor: list[str]) -> None:
    assert names(LIMITS.of_address(use, ADDRESS)) == of_address
    assert names(LIMITS.of_actor(use, actor("ann"))) == of_actor


def test_every_limit_of_a_caller_is_listed_once() -> None:
    listed = names(LIMITS.of_everything(actor("ann"), ADDRESS))
    assert sorted(listed) == [name for name in LIMITS.names if name != "failures-address"]
    assert len(LIMITS.names) == 9


def test_zero_is_no_limit() -> None:
    none = Limits(LimitSettings(60_000))
    assert none.names == []
    assert not none.of_everything(actor("ann"), ADDRESS)
    assert not none.of_failure(ADDRESS)
    assert names(Limits(replace(SETTINGS, sends_per_session=0)).of_actor(Use.SEND, actor("ann"))) == [
        "send-device",
        "send-user",
    ]


def test_exempt_addresses_have_no_limit_of_their_own() -> None:
    for written in ("127.0.0.1", "::ffff:127.0.0.1"):
        assert not LIMITS.of_address(Use.CONNECT, written)
        assert not LIMITS.of_failure(written)
        assert "send-user" in names(LIMITS.of_everything(actor("ann"), written))
    assert LIMITS.of_address(Use.READ, "127.0.0.2")


def test_addresses_that_nobody_knows_share_what_one_may() -> None:
    (charge,) = LIMITS.of_address(Use.READ, None)
    assert charge.key == "-"


def test_nobody_is_counted_under_anothers_name() -> None:
    ann = actor("ann")
    others = [
        actor("ben"),
        actor("ann", tenant="elsewhere"),
        replace(ann, tenant=TenantId("default ann")),
    ]
    for other in others:
        same = replace(other, device=ann.device, session=ann.session)
        ours, theirs = LIMITS.of_actor(Use.SEND, ann), LIMITS.of_actor(Use.SEND, same)
        assert not {charge.key for charge in ours} & {charge.key for charge in theirs}


def test_devices_and_sessions_of_a_user_are_counted_apart() -> None:
    ann = actor("ann")
    device, session, user = LIMITS.of_actor(Use.SEND, ann)
    other = LIMITS.of_actor(Use.SEND, replace(ann, device=DeviceId("tablet"), session=SessionId("evening")))
    assert other[0].key != device.key
    assert other[1].key != session.key
    assert other[2] == user
