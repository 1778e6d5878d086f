"""Every row of the table, on each endpoint, and cut in each way: the same comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.server.limits import ServerLimits
from tests.integration.server.wire import Wire, wire_to
from tests.raw_frames.exchange import Cut, play
from tests.raw_frames.table import TABLE
from tests.socket_endpoints import ENDPOINTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.raw_frames.row import Row

PATIENT = ServerLimits(message_seconds=120)
"""So that a row cut to bytes is never too slow, whatever else the machine does."""


@pytest.fixture(scope="module", params=ENDPOINTS)
def wire(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with wire_to(tmp_path_factory.mktemp("data"), PATIENT, endpoint=ENDPOINTS[request.param]) as wire:
        yield wire


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_s_d8_the_same_comes_back_however_a_row_is_cut(wire: Wire, row: Row) -> None:
    outcomes = {way: wire.run(play(wire.port, wire.token, row, way)) for way in Cut}
    assert {way: outcome for way, outcome in outcomes.items() if outcome not in row.outcomes} == {}


def test_no_two_rows_have_one_number() -> None:
    assert len({row.number for row in TABLE}) == len(TABLE)
