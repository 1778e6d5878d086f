"""The service keeps to its own OpenAPI document, under generated calls: good ones, bad ones, and chains of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.e2e.server import Service, clean_environ

ROOT = Path(__file__).parents[2]
EXAMPLES = 5
"""Calls of each kind per operation, besides those that cover the document: about 20 seconds on an idle machine."""
SEED = 7
"""The same calls each time: a failure here comes from a change."""


def test_no_call_breaks_the_contract(tmp_path: Path) -> None:
    with Service(tmp_path / "data") as service:
        ran = subprocess.run(
            [
                str(Path(sys.executable).with_name("schemathesis")),
                f"--config-file={ROOT / 'schemathesis.toml'}",
                "run",
                f"{service.base_url}/openapi.json",
                f"--header=Authorization: Bearer {service.token('ann')}",
                "--checks=all",
                f"--max-examples={EXAMPLES}",
                f"--seed={SEED}",
                "--no-color",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
            env=clean_environ(),
        )
        assert ran.returncode == 0, ran.stdout[-8_000:] + ran.stderr[-2_000:]
        assert "20 passed" in ran.stdout
