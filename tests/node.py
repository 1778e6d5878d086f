"""Node, as Playwright brings it: new enough to have ``WebSocket``, and there wherever the tests are."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import playwright

NODE = Path(playwright.__file__).parent / "driver" / "node"
PATIENCE_SECONDS = 60


def run_on_node(script: Path, said: str = "") -> Any:  # noqa: ANN401 - whatever the script writes
    """Run a script to its end, and read what it writes as JSON; on standard error it must write nothing."""
    ended = subprocess.run(
        [NODE, script], input=said, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    return json.loads(ended.stdout)
