"""How many connections an instance takes."""

from __future__ import annotations

import resource

import pytest

from sanctum_messaging.server.limits import limits_of_process


@pytest.mark.parametrize(
    ("descriptors", "connections"),
    [(256, 204), (1_024, 819), (12_500, 10_000), (1_000_000, 10_000), (resource.RLIM_INFINITY, 10_000)],
)
def test_follow_the_descriptors_up_to_a_bound(
    monkeypatch: pytest.MonkeyPatch, descriptors: int, connections: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (descriptors, descriptors))
    limits = limits_of_process()
    assert (limits.max_connections, limits.max_strangers) == (connections, connections // 2)
