"""``sanctum serve --workers``: several processes behind one address."""

from __future__ import annotations

import json
import os
import re
import signal
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from sanctum_messaging.adapters.jwt.development import DevelopmentIssuer
from tests.e2e.server import COMMAND, START_SECONDS, clean_environ, run_sanctum
from tests.program import Program, is_there
from tests.raw_socket import RawSocket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Workers(Program):
    """``sanctum serve --dev --workers 2`` on a migrated database."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        command = [COMMAND, "serve", "--dev", "--workers", "2", "--port", "0", "--data-dir", str(folder)]
        super().__init__(command, folder=folder, environ=clean_environ(environ))
        issuer = DevelopmentIssuer.at(folder, lambda: time.time_ns() // 1_000_000)
        self.token = issuer.issue("ann", ttl=3600)
        self.pids: dict[int, int] = {}
        self.port = 0

    def wait_for_all(self) -> None:
        """Return once it is said that the service listens."""
        self.pids = dict(self.wait_for_worker() for _ in range(2))
        self.port = int(self.wait_for(r"listening .*http://127\.0\.0\.1:(\d+)")[1])

    def wait_for_worker(self) -> tuple[int, int]:
        """Return the number and the process of the next worker that listens."""
        line = self.wait_for("worker_listening").string
        number, pid = re.search(r"worker=(\d+)", line), re.search(r"pid=(\d+)", line)
        assert number is not None
        assert pid is not None
        self.children.add(int(pid[1]))
        return int(number[1]), int(pid[1])

    def call(self, path: str, body: dict[str, Any] | None = None) -> bytes:
        """Send a request over a connection of its own, as Ann, and return the answer."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        with urllib.request.urlopen(request, timeout=START_SECONDS) as answer:  # noqa: S310 - our own address
            return bytes(answer.read())


@pytest.fixture
def database_url(postgres_url: str) -> str:
    migrated = run_sanctum("migrate", environ={"DATABASE_URL": postgres_url})
    assert migrated.returncode == 0, migrated.stderr
    return postgres_url


@pytest.fixture
def workers(tmp_path: Path, database_url: str, valkey_url: str) -> Iterator[Workers]:
    environ = {"DATABASE_URL": database_url, "REDIS_URL": valkey_url, "DRAIN_SECONDS": "20"}
    with Workers(tmp_path, environ) as workers:
        workers.wait_for_all()
        yield workers


def test_a_killed_worker_is_missed_by_nobody(workers: Workers) -> None:
    created = json.loads(workers.call("/v1/conversations", {"kind": "group", "participants": []}))
    path = f"/v1/conversations/{created['conversation']['id']}"

    os.kill(workers.pids[1], signal.SIGKILL)
    workers.wait_for("worker_ended")
    for _ in range(20):
        assert json.loads(workers.call(path)) == created
    number, replacement = workers.wait_for_worker()

    assert number == 1
    assert replacement != workers.pids[1]
    assert json.loads(workers.call(path)) == created
    metrics = workers.call("/metrics").decode()
    assert "sanctum_workers 2.0\n" in metrics
    assert "sanctum_worker_restarts_total 1.0\n" in metrics
    for worker in (0, 1):
        assert f'sanctum_log_tail{{worker="{worker}"}} 1.0\n' in metrics
    assert metrics.count("# HELP sanctum_log_tail ") == 1


def test_all_stop_together_and_give_clients_time_also_if_they_hear_of_it_twice(workers: Workers) -> None:
    with RawSocket(workers.port) as client:
        client.hello(workers.token)
        workers.send(signal.SIGTERM)
        for _ in range(3):
            workers.wait_for("stopping")
        # As systemd does: it signals every process of a service. The worker without a client may be gone by now.
        for pid in filter(is_there, workers.pids.values()):
            os.kill(pid, signal.SIGTERM)
        assert client.hear("drain")["reconnectInMs"] == 0
        client.say(op="ping")
        client.hear("pong")
        client.say(op="bye")
        assert client.read_close_code() == 1000

    assert workers.wait() == 0

    assert not any(map(is_there, workers.pids.values()))
    assert workers.count("stopped") == 3
    assert workers.count("redis_is_recommended") == 0


def test_no_worker_outlives_a_killed_supervisor(tmp_path: Path, database_url: str) -> None:
    with Workers(tmp_path, {"DATABASE_URL": database_url}) as workers:
        workers.wait_for_all()

        assert workers.stop(signal.SIGKILL) == -signal.SIGKILL

        assert workers.count("supervisor_gone") == 2
        assert workers.count("stopped") == 2
        assert workers.count("redis_is_recommended") == 1


def test_a_database_out_of_reach_is_one_line(tmp_path: Path) -> None:
    environ = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1"}

    result = run_sanctum(
        "serve", "--dev", "--workers", "2", "--port", "0", "--data-dir", str(tmp_path), environ=environ
    )

    assert result.returncode == 2
    assert result.stderr.startswith("sanctum: DATABASE_URL: ")
    assert result.stderr.count("\n") == 1
