"""What an administrator does beside a service that runs: by commands, on SQLite, through its control socket."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import httpx2
import pytest

from sanctum_messaging.control import socket_beside
from sanctum_messaging.protocol.codes import CloseCode
from tests.e2e.client import Client
from tests.e2e.server import Service, run_sanctum

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("service") / "data") as service:
        yield service


def status(service: Service, token: str, **headers: str) -> int:
    """Ask for something, and tell whether that is allowed."""
    bearer = {"Authorization": f"Bearer {token}", **headers}
    return httpx2.get(f"{service.base_url}/v1/unread", headers=bearer, trust_env=False).status_code


def revoke(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_sanctum("revoke", *arguments, "--data-dir", str(service.data_dir))


def control_socket(service: Service) -> Path:
    return socket_beside(service.data_dir / "messaging.db")


async def test_s_a8_a_user_is_revoked_while_the_service_runs(service: Service) -> None:
    ann, bob = service.token("ann"), service.token("bob")
    async with Client(service.base_url, ann) as client, client.connect() as socket:
        done = revoke(service, "--user", "ann")

        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == (
            "Revoked: all tokens of the user ann that were issued until now, in tenant default."
            " In force on the running service.\n"
        )
        assert await socket.find_close() == CloseCode.FORBIDDEN
    assert (status(service, ann), status(service, bob)) == (401, 200)
    assert stat.S_IMODE(control_socket(service).stat().st_mode) == 0o600


def test_a_revocation_that_was_confirmed_survives_a_kill(service: Service) -> None:
    """The socket that the killed process left behind is in nobody's way."""
    cid, dan = service.token("cid"), service.token("dan")
    assert revoke(service, "--user", "cid").returncode == 0
    service.kill()
    assert control_socket(service).exists()
    service.start()
    assert (status(service, cid), status(service, dan)) == (401, 200)

    assert revoke(service, "--user", "dan").returncode == 0

    assert status(service, dan) == 401


def test_the_audit_log_is_read_while_the_service_runs(service: Service) -> None:
    backend = service.token("backend", scope="messaging:admin")
    for user in ("fay", "gus"):
        assert status(service, backend, **{"Act-As": user}) == 200

    done = run_sanctum("audit", "--user", "gus", "--since", "2026-01-01", "--data-dir", str(service.data_dir))

    (entry,) = map(json.loads, done.stdout.splitlines())
    assert (done.returncode, done.stderr) == (0, "")
    assert (entry["bearer"], entry["actAs"], entry["action"]) == ("backend", "gus", "GET /v1/unread")
    assert (entry["address"], entry["tenant"]) == ("127.0.0.1", "default")
