"""What it takes to import the client."""

from __future__ import annotations

import subprocess
import sys

SERVER_ONLY = ("apsw", "asyncpg", "click", "joserfc", "prometheus_client", "redis", "starlette", "structlog", "uvicorn")
PROGRAM = "import sys, sanctum_messaging.client; print(*sorted(sys.modules))"


def test_the_client_comes_without_the_server() -> None:
    loaded = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout.split()
    assert not set(SERVER_ONLY) & set(loaded)
    ours = {name.split(".")[1] for name in loaded if name.startswith("sanctum_messaging.")}
    assert ours == {"client", "protocol"}
