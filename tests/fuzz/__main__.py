"""Fuzzes the targets, each for a while: ``python -m tests.fuzz [--seconds N] [TARGET …]``; ``make fuzz`` does all.

An input that breaks a promise is kept in ``test-results/fuzz`` and printed, to be added to the target's seeds.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from tests.fuzz.targets import TARGETS

KEPT = Path("test-results/fuzz")
_LINES = 20
"""Of what the fuzzer says last: the traceback, and the input."""


def main() -> int:
    """Fuzz what was asked for; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    options = parser.parse_args()
    failed = [name for name in options.targets or TARGETS if not _fuzz(name, options.seconds)]
    print(f"Failed: {', '.join(failed)}." if failed else "No promise was broken.")  # noqa: T201 - for a terminal
    return 1 if failed else 0


def _fuzz(name: str, seconds: int) -> bool:
    """Fuzz in a process of its own, which ends with the first input that breaks something."""
    folder = KEPT / name
    command = [sys.executable, "-m", "tests.fuzz.one", name, str(seconds), str(folder)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    told = done.stderr.splitlines()
    if done.returncode:
        print("\n".join(told[-_LINES:]))  # noqa: T201 - for a terminal
        for path in sorted(folder.glob("crash-*")):
            print(f"{path}: {path.read_bytes()!r}")  # noqa: T201 - for a terminal
    print(f"{name}: {next((line for line in reversed(told) if line.startswith('Done')), 'failed')}", flush=True)  # noqa: T201
    return not done.returncode


if __name__ == "__main__":
    sys.exit(main())
