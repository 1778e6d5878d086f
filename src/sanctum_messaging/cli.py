"""The command ``sanctum``. What is said on the command line beats the environment."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, TypeVar

import click

from sanctum_messaging import __version__
from sanctum_messaging.config import ConfigError, describe_config, load_config
from sanctum_messaging.terminal.commands import chat_command, send_command, tail_command
from sanctum_messaging.terminal.options import Command, StartError, data_dir_option

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from sanctum_messaging.config import Config

_STORAGE = ("DATA_DIR", "DATABASE_URL", "LOG_LEVEL")
_DAY_S = 24 * 3600
_MAX_TTL_S = 366 * _DAY_S


def dev_option(command: Command) -> Command:
    text = "Development: accept the tokens of `sanctum token`, on this machine only, and log for humans."
    return click.option("--dev", is_flag=True, help=text)(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sanctum")
def main() -> None:
    """Sanctum Messaging: a self-hosted messaging backend.

    Settings come from the environment; `sanctum config` shows those in effect.
    """


for client_command in (chat_command, send_command, tail_command):
    main.add_command(client_command)


@main.command()
@click.option("--host", help="Address to listen on [HOST].")
@click.option("--port", help="Port to listen on; 0 takes a free one [PORT].")
@click.option("--workers", metavar="N", help="Processes that serve together; above 1 with PostgreSQL only [WORKERS].")
@click.option("--as-worker", type=int, nargs=3, hidden=True, help="Number and descriptors, from the supervisor.")
@dev_option
@data_dir_option
def serve(
    host: str | None,
    port: str | None,
    *,
    workers: str | None,
    as_worker: tuple[int, int, int] | None,
    dev: bool,
    data_dir: str | None,
) -> None:
    """Start the service; it runs until it is told to stop."""
    _end_by_early_sigterm()
    overrides = {"HOST": host, "PORT": port, "WORKERS": workers, "DATA_DIR": data_dir}
    config = _load(overrides, dev=dev)
    _configure_logging(config, worker=as_worker and as_worker[0])
    sys.exit(_started(lambda: _serve(config, as_worker, _chosen(os.environ, overrides))))


@main.command()
@click.option("--user", required=True, help="Whom the token is for (sub).")
@click.option("--device", help="The user's device (device_id).")
@click.option("--session", help="The user's session (sid).")
@click.option("--tenant", default="default", show_default=True, help="The user's tenant.")
@click.option("--scope", help="What the token may do; messaging:admin makes it a service token.")
@click.option(
    "--ttl",
    type=click.IntRange(1, _MAX_TTL_S),
    default=_DAY_S,
    show_default=True,
    metavar="SECONDS",
    help="How long it is valid.",
)
@data_dir_option
def token(
    user: str,
    *,
    device: str | None,
    session: str | None,
    tenant: str,
    scope: str | None,
    ttl: int,
    data_dir: str | None,
) -> None:
    """Print a token of the development issuer, which only a service started with --dev accepts."""
    config = _load({"DATA_DIR": data_dir}, only=("DATA_DIR",))
    from sanctum_messaging.bootstrap.identity import development_issuer  # noqa: PLC0415 # As in serve.
    from sanctum_messaging.domain.errors import InvalidError  # noqa: PLC0415 # As in serve.

    issuer = _started(lambda: development_issuer(config))
    try:
        click.echo(issuer.issue(user, device=device, session=session, tenant=tenant, scope=scope, ttl=ttl))
    except InvalidError as error:
        raise StartError(error.detail) from None


@main.command()
@click.option("--check", is_flag=True, help="Change nothing; fail if there is something to do.")
@data_dir_option
def migrate(*, check: bool, data_dir: str | None) -> None:
    """Bring the database to the schema of this version."""
    config = _load({"DATA_DIR": data_dir}, only=_STORAGE)
    _configure_logging(config)
    from sanctum_messaging.bootstrap import storage  # noqa: PLC0415 # As in serve.

    sys.exit(_started(lambda: storage.migrate(config, check=check)))


@main.command("copy")
@click.option("--from", "source", required=True, metavar="ADDRESS", help="What to copy: sqlite:///path, not served.")
@click.option("--to", "target", required=True, metavar="ADDRESS", help="An empty database: postgresql://…")
def copy_command(source: str, target: str) -> None:
    """Move a SQLite installation to PostgreSQL; what was interrupted goes on when it is started again."""
    from sanctum_messaging.bootstrap.copying import copy_installation  # noqa: PLC0415 # As in serve.

    sys.exit(_started(lambda: copy_installation(source, target)))


@main.command()
@click.option("--user", help="All tokens of this user (sub) that were issued until now.")
@click.option("--session", help="All tokens of this session (sid).")
@click.option("--token", metavar="JTI", help="The token with this id (jti).")
@click.option("--tenant", default="default", show_default=True, help="Whose user, session or token it is.")
@data_dir_option
def revoke(user: str | None, *, session: str | None, token: str | None, tenant: str, data_dir: str | None) -> None:
    """Refuse tokens before they expire, and close their sockets; also while the service runs."""
    named = {"user": user, "session": session, "token": token}
    chosen = [(kind, value) for kind, value in named.items() if value is not None]
    if len(chosen) != 1:
        raise click.UsageError("Name either --user, --session or --token.")
    config = _load({"DATA_DIR": data_dir}, only=_STORAGE)
    _configure_logging(config)
    from sanctum_messaging.bootstrap import administration  # noqa: PLC0415 # As in serve.

    ((kind, value),) = chosen
    sys.exit(_started(lambda: administration.revoke(config, tenant=tenant, kind=kind, value=value)))


@main.command()
@click.option("--since", metavar="TIME", help="Not what was before, such as 2026-01-31T12:00:00Z.")
@click.option("--user", help="What this user did, or a service for this user.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=1_000, show_default=True, help="The newest only.")
@data_dir_option
def audit(*, since: str | None, user: str | None, limit: int, data_dir: str | None) -> None:
    """Print what service tokens were used for, one JSON object in each line."""
    config = _load({"DATA_DIR": data_dir}, only=_STORAGE)
    _configure_logging(config)
    from sanctum_messaging.bootstrap.audit import print_audit  # noqa: PLC0415 # As in serve.

    sys.exit(_started(lambda: print_audit(config, since=since, user=user, limit=limit)))


@main.command()
@dev_option
@data_dir_option
def config(*, dev: bool, data_dir: str | None) -> None:
    """Show the settings in effect, without secrets, or all that is wrong with them."""
    for name, value in describe_config(_load({"DATA_DIR": data_dir}, dev=dev)):
        click.echo(f"{name}={value}")


def _end_by_early_sigterm() -> None:
    """Let a SIGTERM end the start too, until the service takes it itself.

    The system has no such default for the first process of a container: to that one the signal would be lost, and the
    service would start, and serve until it is killed.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))


def _serve(config: Config, as_worker: tuple[int, int, int] | None, environ: Mapping[str, str]) -> int:
    """Serve alone, or as one of several processes, or have several processes serve."""
    # The other commands start without the server, and so does the supervisor, which stays small.
    if as_worker is not None:
        from sanctum_messaging.supervisor.membership import Membership  # noqa: PLC0415

        membership = Membership.inherit(*as_worker[1:])
        from sanctum_messaging.app import serve_as_worker  # noqa: PLC0415

        return serve_as_worker(config, membership)
    if config.workers > 1:
        from sanctum_messaging.supervisor.serving import serve_with_workers  # noqa: PLC0415

        return serve_with_workers(config, environ)
    from sanctum_messaging.app import serve as serve_alone  # noqa: PLC0415

    return serve_alone(config)


def _chosen(environ: Mapping[str, str], overrides: Mapping[str, str | None]) -> dict[str, str]:
    """Write the environment as if the command line had been part of it."""
    return {**environ, **{name: text for name, text in overrides.items() if text is not None}}


def _load(overrides: dict[str, str | None], *, dev: bool = False, only: Collection[str] | None = None) -> Config:
    return _started(lambda: load_config(os.environ, overrides, dev=dev, only=only))


def _configure_logging(config: Config, *, worker: int | None = None) -> None:
    from sanctum_messaging.observability.logging import configure_logging  # noqa: PLC0415 # As in serve.

    configure_logging(config.log_level, human=config.dev, worker=worker)


Result = TypeVar("Result")


def _started(start: Callable[[], Result]) -> Result:
    """Turn what keeps the service from starting into lines for the operator."""
    try:
        return start()
    except (ConfigError, BaseExceptionGroup) as error:
        from sanctum_messaging.observability.logging import drain_lines  # noqa: PLC0415 # As in serve.

        drain_lines()  # The reason is what is said last.
        cause = _only_cause_of(error)
        if not isinstance(cause, ConfigError):
            raise
        raise StartError("\n".join(map(str, cause.faults))) from error


def _only_cause_of(error: BaseException) -> BaseException:
    """Unwrap what ended a start whose first tasks were running already."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
