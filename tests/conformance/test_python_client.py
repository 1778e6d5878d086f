"""The Python client says what the transcripts of ``conformance/`` say that a client says."""

from __future__ import annotations

import pytest

from tests.conformance.python_client_run import PythonClientRun
from tests.conformance.transcripts import Transcript, read_transcripts
from tests.hand_time import run_by_hand


@pytest.mark.parametrize("transcript", read_transcripts("client", can=frozenset({"refusals"})), ids=str)
def test_it_keeps_to_the_transcript(transcript: Transcript) -> None:
    run_by_hand(PythonClientRun(transcript).run())
