"""The JavaScript client does what the transcripts of ``conformance/`` ask of a client, on Node and in a browser."""

from __future__ import annotations

import pytest

from tests.conformance.javascript import Faults, play_in_browser, play_on_node
from tests.conformance.transcripts import Transcript, read_transcripts

TRANSCRIPTS = read_transcripts("client")


@pytest.fixture(scope="module")
def on_node() -> Faults:
    return play_on_node(TRANSCRIPTS)


@pytest.fixture(scope="module")
def in_browser(pytestconfig: pytest.Config) -> Faults:
    return play_in_browser(pytestconfig, TRANSCRIPTS)


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=str)
def test_it_keeps_to_the_transcript_on_node(on_node: Faults, transcript: Transcript) -> None:
    assert on_node[transcript.stem] is None


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=str)
def test_it_keeps_to_the_transcript_in_a_browser(in_browser: Faults, transcript: Transcript) -> None:
    assert in_browser[transcript.stem] is None
