"""Refused handshakes, as a stranger's client sees them and as the operator reads of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.e2e.server import Service

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_refused_handshake_is_answered_and_no_error_of_ours(tmp_path: Path) -> None:
    with Service(tmp_path / "data") as service:
        address = service.base_url.replace("http", "ws") + "/v1/ws"
        ann = service.token("ann")
        cases = ({"Authorization": "Bearer nonsense"}, {"Authorization": f"Bearer {ann}", "Act-As": "bob"})
        for headers, status in zip(cases, (401, 403), strict=True):
            with pytest.raises(InvalidStatus) as refused:
                await connect(address, additional_headers=headers)
            answer = refused.value.response
            assert answer.status_code == status
            assert json.loads(answer.body or b"")["requestId"] == answer.headers["X-Request-Id"]
        service.stop()
        assert not [line for line in service.log if "[error" in line]
