from __future__ import annotations

import time
from uuid import RFC_4122, UUID

from sanctum_messaging.adapters.system import SystemClock


def test_ids_are_uuids_of_version_7_that_begin_with_the_time() -> None:
    clock = SystemClock()
    before = clock.now()
    ids = [clock.new_id() for _ in range(1000)]
    after = clock.now()
    for text in ids:
        found = UUID(text)
        assert str(found) == text
        assert (found.version, found.variant) == (7, RFC_4122)
        assert before <= found.int >> 80 <= after
    assert len(set(ids)) == len(ids)


def test_the_clocks_are_those_of_the_system() -> None:
    clock = SystemClock()
    assert abs(clock.now() - time.time() * 1000) < 5_000
    assert clock.monotonic() <= time.monotonic()
