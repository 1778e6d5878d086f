"""The service as its users run it: a process of its own, killed and stopped like one."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sanctum_messaging.adapters.jwt.development import DevelopmentIssuer
from tests.unlimited import UNLIMITED

if TYPE_CHECKING:
    from types import TracebackType

COMMAND = str(Path(sys.executable).with_name("sanctum"))
START_SECONDS = 90
STOP_SECONDS = 5
"""What the service promises for SIGINT, and for a second SIGTERM."""

_ADDRESS = re.compile(r"http://[0-9.]+:([0-9]+)")


def run_sanctum(*arguments: str, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of ``sanctum`` to its end."""
    return subprocess.run(
        [COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
        env=clean_environ(environ),
    )


def clean_environ(more: dict[str, str] | None = None) -> dict[str, str]:
    """Take the environment without anything that configures a service; nobody is limited unless ``more`` says so."""
    ours = {"HOST", "PORT", "WORKERS", "DATA_DIR", "REQUIRE_DURABLE", "DOCS", "LOG_LEVEL", "DRAIN_SECONDS"}
    ours |= {"SANCTUM_CONFIG", "ACCESS_LOG", "ALLOWED_HOSTS", "MAX_BODY_BYTES"}
    families = ("BUS_", "CORS_", "DATABASE_", "JW", "OTEL_", "RATE_LIMIT_", "REDIS_", "TRUSTED_")
    kept = {name: value for name, value in os.environ.items() if name not in ours and not name.startswith(families)}
    return {**kept, **UNLIMITED, **(more or {})}


class Service:
    """``sanctum serve --dev`` on a data directory. The port stays the same from one start to the next.

    ``environ`` configures it further; ``wrapper`` is a command that becomes the one it is given.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int = 0,
        environ: dict[str, str] | None = None,
        wrapper: tuple[str, ...] = (),
    ) -> None:
        self.data_dir = data_dir
        self.port = port
        self.environ = environ or {}
        self.wrapper = wrapper
        self.log: deque[str] = deque(maxlen=2_000)
        """The newest lines that the process wrote."""
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._listening = threading.Event()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def database_path(self) -> Path:
        return self.data_dir / "messaging.db"

    @property
    def pid(self) -> int:
        return self._running().pid

    def start(self) -> None:
        """Start the process and return once ``/readyz`` says yes."""
        assert self._process is None, "it is running"
        self._listening.clear()
        self._process = subprocess.Popen(
            [*self.wrapper, COMMAND, "serve", "--dev", "--port", str(self.port), "--data-dir", str(self.data_dir)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=clean_environ({"PYTHONUNBUFFERED": "1", **self.environ}),
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        if not self._listening.wait(START_SECONDS) or self._process.poll() is not None:
            self.kill()
            raise AssertionError("it did not start:\n" + "".join(self.log))
        # The socket listens already: the request waits in its queue until somebody answers.
        with urllib.request.urlopen(self.base_url + "/readyz", timeout=START_SECONDS) as answer:  # noqa: S310 - our own address
            assert answer.status == 200

    def kill(self) -> None:
        """End the process at once (SIGKILL); nothing is flushed, nobody is told."""
        self._end(signal.SIGKILL)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Stop the process as an operator does; return its exit code and the seconds it took."""
        began = time.monotonic()
        code = self._end(number)
        return code, time.monotonic() - began

    def find_end(self) -> int:
        """Wait until the process has ended by itself; return its exit code."""
        self._running().wait(START_SECONDS)
        return self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Stop the process in its tracks (SIGSTOP): the system goes on taking connections for it."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the process go on (SIGCONT)."""
        self._running().send_signal(signal.SIGCONT)

    def is_running(self) -> bool:
        """Tell whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def token(
        self,
        user: str,
        *,
        device: str | None = None,
        tenant: str = "default",
        scope: str | None = None,
        ttl: int = 3600,
    ) -> str:
        """Sign a token with the service's development key; what ``sanctum token`` does."""
        issuer = DevelopmentIssuer.at(self.data_dir, lambda: time.time_ns() // 1_000_000)
        return issuer.issue(user, device=device, tenant=tenant, scope=scope, ttl=ttl)

    def _end(self, number: signal.Signals) -> int:
        process = self._running()
        process.send_signal(number)
        try:
            code = process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            if self._reader is not None:
                self._reader.join()
            if process.stdout is not None:
                process.stdout.close()
            self._process = self._reader = None
        return code

    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None, "it is not running"
        return self._process

    def _read(self, process: subprocess.Popen[str]) -> None:
        """Keep what the process writes, so that it never waits for us, and find out its port."""
        assert process.stdout is not None
        for line in process.stdout:
            self.log.append(line)
            found = _ADDRESS.search(line)
            if found and not self._listening.is_set():
                self.port = int(found[1])
                self._listening.set()
        self._listening.set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.kill()
        if error is not None:
            sys.stderr.write("".join(self.log))
