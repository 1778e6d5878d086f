"""Runs the tests of the adapters on the servers that are installed on this machine, which are older than the wheels'.

python -m tests.servers [arguments for pytest]
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.servers import postgres_binaries, valkey

FOLDERS = ("tests/servers", "tests/contract", "tests/unit/adapters/postgres", "tests/unit/adapters/redis")


def main() -> int:
    """Return pytest's exit code; 0 without a run if there is no such server, but 1 where ``CI`` is set."""
    found = {
        postgres_binaries.VARIABLE: next(postgres_binaries.system_postgres(), None),
        valkey.VARIABLE: next(valkey.system_valkey(), None),
    }
    chosen = {variable: str(path) for variable, path in found.items() if path is not None}
    for variable in found:
        sys.stderr.write(f"{variable}={chosen.get(variable, '')}\n")
    if len(chosen) < len(found):
        sys.stderr.write("Not every server is installed: apt-get install postgresql redis-server\n")
        if os.environ.get("CI"):
            return 1
    return _run(chosen) if chosen else 0


def _run(chosen: dict[str, str]) -> int:
    folders = [folder for folder in FOLDERS if Path(folder).is_dir()]
    command = [sys.executable, "-m", "pytest", *folders, *sys.argv[1:]]
    return subprocess.run(command, env={**os.environ, **chosen}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
