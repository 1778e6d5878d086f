"""How many connections an instance takes."""

from __future__ import annotations

import resource

import pytest

from sanctum_messaging.server.limits import limits_of_process, raise_descriptor_limit


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


@pytest.mark.parametrize(
    ("soft", "hard", "raised"),
    [
        (1_024, 524_288, 12_500),
        (1_024, 4_096, 4_096),
        (1_024, resource.RLIM_INFINITY, 12_500),
        (20_000, 20_000, None),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, None),
    ],
)
def test_as_many_files_as_it_has_use_for_may_be_open(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised: int | None
) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: given.append(limits))
    raise_descriptor_limit()
    assert given == ([] if raised is None else [(raised, hard)])
