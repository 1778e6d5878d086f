"""The service says what the transcripts of ``conformance/`` say that it says, however it has its sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.conformance.service_run import ServiceRun
from tests.conformance.transcripts import Transcript, read_transcripts
from tests.e2e.in_process import Here, serve_here
from tests.socket_endpoints import ENDPOINTS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=ENDPOINTS)
async def here(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> AsyncGenerator[Here]:
    folder = tmp_path_factory.mktemp("service")
    async with serve_here(folder, endpoint=ENDPOINTS[request.param]) as here:
        yield here


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("transcript", read_transcripts("server"), ids=str)
async def test_it_keeps_to_the_transcript(here: Here, transcript: Transcript) -> None:
    await ServiceRun(transcript, here.base_url, here.token).run()
