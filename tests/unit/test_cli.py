from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

import sanctum_messaging
from sanctum_messaging.adapters.jwt.development import DEVELOPMENT, DevelopmentIssuer
from sanctum_messaging.adapters.jwt.keys import StaticKeys, parse_key_set
from sanctum_messaging.adapters.jwt.verifier import JWTVerifier, TrustedIssuer
from sanctum_messaging.bootstrap.identity import wall_clock
from sanctum_messaging.cli import main
from sanctum_messaging.config import VARIABLES, Config, ConfigError, Fault, load_config

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from click.testing import Result

    from sanctum_messaging.ports.identity import VerifiedToken
    from sanctum_messaging.supervisor.membership import Membership


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable.name, raising=False)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sanctum_messaging.observability.logging.configure_logging", lambda *_, **__: None)


def sanctum(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def serving(monkeypatch: pytest.MonkeyPatch, serve: Callable[[Config], int]) -> ModuleType:
    """Put another server behind the command."""
    app = ModuleType("sanctum_messaging.app")
    app.serve = serve  # type: ignore[attr-defined] # The module has such names only as a test gives it.
    monkeypatch.setitem(sys.modules, "sanctum_messaging.app", app)
    return app


def test_the_version_is_shown() -> None:
    assert sanctum("--version").stdout == f"sanctum, version {sanctum_messaging.__version__}\n"


def test_serve_hands_over_the_configuration_and_returns_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Config] = []

    def serve(config: Config) -> int:
        served.append(config)
        return 7

    serving(monkeypatch, serve)
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("HOST", "::1")

    result = sanctum("serve", "--dev", "--port", "9000", "--data-dir", "/somewhere")

    assert result.exit_code == 7
    (config,) = served
    assert (config.dev, config.host, config.port, str(config.data_dir)) == (True, "::1", 9000, "/somewhere")


def test_several_workers_are_left_to_the_supervisor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    served: list[tuple[Config, Mapping[str, str]]] = []

    def serve_with_workers(config: Config, environ: Mapping[str, str]) -> int:
        served.append((config, environ))
        return 7

    serving(monkeypatch, lambda _: pytest.fail("it was started alone"))
    monkeypatch.setattr("sanctum_messaging.supervisor.serving.serve_with_workers", serve_with_workers)
    monkeypatch.setenv("DATABASE_URL", "postgresql://host/name")
    monkeypatch.setenv("HOST", "::1")

    result = sanctum("serve", "--dev", "--workers", "3", "--port", "0", "--data-dir", str(tmp_path))

    assert result.exit_code == 7
    ((config, environ),) = served
    assert config.workers == 3
    assert load_config(environ, dev=True) == config, "the workers read another configuration"


def test_workers_read_the_same_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    served: list[tuple[Config, Mapping[str, str]]] = []
    (tmp_path / "sanctum.toml").write_text(
        """
        workers = 3
        database_url = "postgresql://host/name"
        [[issuers]]
        issuer = "https://a.example"
        audience = "chat"
        jwks_url = "https://a.example/jwks"
        """
    )

    def serve_with_workers(config: Config, environ: Mapping[str, str]) -> int:
        served.append((config, environ))
        return 7

    monkeypatch.setattr("sanctum_messaging.supervisor.serving.serve_with_workers", serve_with_workers)
    monkeypatch.setenv("SANCTUM_CONFIG", str(tmp_path / "sanctum.toml"))

    assert sanctum("serve", "--port", "0").exit_code == 7
    ((config, environ),) = served
    assert load_config(environ) == config
    assert [issuer.issuer for issuer in config.issuers] == ["https://a.example"]


def test_a_worker_serves_with_what_it_inherits(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[tuple[int, int]] = []

    def serve_as_worker(_: Config, membership: Membership) -> int:
        served.append((membership.listener.fileno(), membership._end.fileno()))
        membership.close()
        return 7

    app = serving(monkeypatch, lambda _: pytest.fail("it was started alone"))
    app.serve_as_worker = serve_as_worker  # type: ignore[attr-defined] # As above.
    first, second = socket.socketpair()
    descriptors = (first.detach(), second.detach())

    result = sanctum("serve", "--dev", "--as-worker", "1", *map(str, descriptors))

    assert (result.exit_code, served) == (7, [descriptors])


def test_nobody_else_can_start_a_worker() -> None:
    result = sanctum("serve", "--dev", "--as-worker", "1", "1000", "1001")

    assert (result.exit_code, result.stderr) == (
        2,
        "sanctum: WORKERS: only `sanctum serve --workers` can start a worker\n",
    )


def test_serve_does_not_start_with_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    serving(monkeypatch, lambda _: pytest.fail("it was started"))

    result = sanctum("serve", "--dev", "--host", "0.0.0.0", "--port", "canary")  # noqa: S104 # It must be refused.

    assert result.exit_code == 2
    assert result.stdout == ""
    assert [line.split(":")[:2] for line in result.stderr.splitlines()] == [["sanctum", " PORT"], ["sanctum", " HOST"]]
    assert "canary" not in result.stderr


def test_what_keeps_the_server_from_starting_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(_: Config) -> int:
        raise ConfigError(Fault("PORT", "something else listens there"))

    serving(monkeypatch, serve)

    result = sanctum("serve", "--dev")

    assert (result.exit_code, result.stderr) == (2, "sanctum: PORT: something else listens there\n")


async def verified(data_dir: Path, token: str) -> VerifiedToken:
    keys = parse_key_set(json.dumps(DevelopmentIssuer.at(data_dir, wall_clock).jwks()).encode())
    return await JWTVerifier([TrustedIssuer(DEVELOPMENT, StaticKeys(keys))], wall_clock).verify(token)


async def test_token_prints_a_token_that_a_development_service_accepts(tmp_path: Path) -> None:
    result = sanctum("token", "--user", "alice", "--data-dir", str(tmp_path / "data"))

    token = await verified(tmp_path / "data", result.stdout.removesuffix("\n"))
    assert (token.subject, token.tenant, token.device, token.session) == ("alice", "default", None, None)


async def test_token_says_what_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    names = ["--device", "phone", "--session", "s1", "--tenant", "acme", "--scope", "messaging:admin"]

    result = sanctum("token", "--user", "alice", *names, "--ttl", "60")

    token = await verified(tmp_path, result.stdout.strip())
    assert (token.device, token.session, token.tenant) == ("phone", "s1", "acme")
    assert token.scopes == {"messaging:admin"}
    assert 0 < token.expires_at - wall_clock() <= 60_000


def test_token_works_in_an_environment_made_for_production(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "0.0.0.0")  # noqa: S104 # As in a container.
    monkeypatch.setenv("PORT", "not a port")

    assert sanctum("token", "--user", "alice", "--data-dir", str(tmp_path)).exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--user", ""],
        ["--user", "x" * 256],
        ["--user", "alice", "--device", "a\nb"],
        ["--user", "alice", "--ttl", "0"],
        ["--user", "alice", "--ttl", "x"],
        [],
    ],
)
def test_token_refuses_what_the_service_would_refuse(tmp_path: Path, arguments: list[str]) -> None:
    result = sanctum("token", "--data-dir", str(tmp_path), *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr


def test_a_data_directory_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    result = sanctum("token", "--user", "alice", "--data-dir", str(tmp_path / "file"))

    assert result.exit_code == 2
    assert result.stderr.startswith("sanctum: DATA_DIR: development-key.json can be neither read nor made there")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(("arguments", "check"), [((), False), (("--check",), True)])
def test_migrate_needs_no_identity_provider_and_returns_the_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: tuple[str, ...],
    check: bool,  # noqa: FBT001
) -> None:
    asked: list[tuple[Path, bool]] = []

    def migrate(config: Config, *, check: bool) -> int:
        asked.append((config.database_path, check))
        return 3

    monkeypatch.setattr("sanctum_messaging.bootstrap.storage.migrate", migrate)

    result = sanctum("migrate", "--data-dir", str(tmp_path), *arguments)

    assert (result.exit_code, asked) == (3, [(tmp_path / "messaging.db", check)])


def test_config_shows_every_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9000")

    lines = sanctum("config", "--dev", "--data-dir", "/somewhere").stdout.splitlines()

    assert [line.partition("=")[0] for line in lines] == [variable.name for variable in VARIABLES]
    assert "PORT=9000" in lines
    assert "DATA_DIR=/somewhere" in lines


def test_config_tells_every_fault_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "x")
    monkeypatch.setenv("DATABASE_URL", "mysql://user:canary@host/db")

    result = sanctum("config")

    assert (result.exit_code, result.stdout) == (2, "")
    assert [line.split(": ")[1] for line in result.stderr.splitlines()] == ["PORT", "DATABASE_URL", "JWKS_URL"]
    assert "canary" not in result.stderr


def test_the_installed_command_fails_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from sanctum_messaging.cli import main; main()", "serve"]

    result = subprocess.run(
        command, cwd=tmp_path, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )

    assert result.returncode == 2
    assert result.stderr.startswith("sanctum: JWKS_URL: set it, or JWKS_FILE")
    assert result.stderr.count("\n") == 1


def test_a_first_process_is_ended_by_a_signal_that_comes_while_it_starts(tmp_path: Path) -> None:
    """The system does nothing with it for such a process, which is what ignoring it comes to."""
    program = (
        "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.getpid = lambda: 1;"
        "from sanctum_messaging.cli import main; main()"
    )
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environ = {"PATH": os.environ["PATH"], "DATABASE_URL": f"postgresql://127.0.0.1:{silent.getsockname()[1]}/none"}
        command = [sys.executable, "-c", program, "serve", "--dev", "--port", "0"]
        with subprocess.Popen(command, cwd=tmp_path, env=environ) as process:
            silent.settimeout(60)
            connection, _ = silent.accept()
            with connection:
                process.terminate()
                assert process.wait() == 128 + signal.SIGTERM
