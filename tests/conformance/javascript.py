"""The JavaScript client, in a browser and in the Node that Playwright brings."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.conformance.transcripts import Transcript, fill
from tests.e2e.browser import open_browser
from tests.node import run_on_node

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[2]
ADDRESS = "http://client.test"
FILES = {
    "/": ("text/html", b"<!doctype html>"),
    "/sanctum.js": ("text/javascript", (ROOT / "clients/javascript/sanctum.js").read_bytes()),
    "/client_run.mjs": ("text/javascript", (ROOT / "tests/conformance/client_run.mjs").read_bytes()),
    "/world.mjs": ("text/javascript", (ROOT / "tests/conformance/world.mjs").read_bytes()),
}
"""What the browser gets, without a server."""
RUN = """
async (transcripts) => {
  const { runAll } = await import('/client_run.mjs');
  return await runAll(await import('/sanctum.js'), transcripts);
}
"""
Faults = dict[str, str | None]
"""What went wrong, by the name of the transcript."""


def play_on_node(transcripts: list[Transcript]) -> Faults:
    """Play transcripts on Node."""
    written = [_written(each) for each in transcripts]
    faults: Faults = run_on_node(ROOT / "tests/conformance/on_node.mjs", json.dumps(written))
    return faults


def play_in_browser(config: pytest.Config, transcripts: list[Transcript]) -> Faults:
    """Play transcripts in Chromium."""
    with open_browser(config) as browser, browser.new_page() as page:
        for path, (media_type, content) in FILES.items():
            page.route(ADDRESS + path, _answer(media_type, content))
        page.goto(ADDRESS + "/")
        faults: Faults = page.evaluate(RUN, [_written(each) for each in transcripts])
        return faults


def _answer(media_type: str, content: bytes) -> Any:  # noqa: ANN401 - Playwright's own callable
    return lambda route: route.fulfill(status=200, content_type=media_type, body=content)


def _written(transcript: Transcript) -> dict[str, object]:
    """Write a transcript as the runner in JavaScript reads it: with the service's frames filled in."""
    steps = [{**step, "server": _filled(step["server"])} if "server" in step else step for step in transcript.steps]
    return {**asdict(transcript), "steps": steps, "runs": [], "needs": []}


def _filled(said: Any) -> Any:  # noqa: ANN401 - a frame or a list of them
    return [fill(each) for each in said] if isinstance(said, list) else fill(said)
