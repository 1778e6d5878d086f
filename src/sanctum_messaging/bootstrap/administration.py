"""What an administrator does while instances run: withdraw tokens, and read what services did with theirs."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import click

from sanctum_messaging.actions.identity import NO_DEVICE
from sanctum_messaging.adapters.sqlite.database import DatabaseLockedError
from sanctum_messaging.adapters.system import SystemClock
from sanctum_messaging.bootstrap.sqlite import is_there
from sanctum_messaging.bootstrap.storage import open_storage
from sanctum_messaging.config import ConfigError, Fault
from sanctum_messaging.control import CommandRefusedError, NotServedError, Revoke, ask, open_control, socket_beside
from sanctum_messaging.domain.errors import InvalidError, SanctumError
from sanctum_messaging.domain.model import TenantId
from sanctum_messaging.domain.revocation import NewRevocation, RevocationKind
from sanctum_messaging.ports.identity import is_name

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sanctum_messaging.bootstrap.storage import Storage
    from sanctum_messaging.bootstrap.tokens import TokenWatch
    from sanctum_messaging.config import Config
    from sanctum_messaging.ports.clock import Clock

FAILED = 1
_WHAT = {
    RevocationKind.USER: "all tokens of the user {} that were issued until now",
    RevocationKind.SESSION: "all tokens of the session {}",
    RevocationKind.TOKEN: "the token {}",
}


@asynccontextmanager
async def open_administration(
    config: Config, storage: Storage, tokens: TokenWatch, clock: Clock
) -> AsyncGenerator[None]:
    """Take commands over the control socket, where nobody but this process can reach the database."""
    if storage.shared is not None:
        yield
        return

    async def perform(command: Revoke) -> None:
        await storage.revocations.add(_revocation_of(command, clock))
        await tokens.catch_up()

    async with open_control(socket_beside(config.database_path), perform):
        yield


def revoke(config: Config, *, tenant: str, kind: str, value: str) -> int:
    """Withdraw tokens, whether or not instances run; say what was done, and return the exit code.

    Raises:
        ConfigError: a name is none, or the database can't be had.
    """
    command = Revoke(tenant, kind, value)
    try:
        _revocation_of(command, SystemClock())
        reach = _revoke_shared(config, command) if config.uses_postgres else _revoke_embedded(config, command)
    except InvalidError as error:
        raise ConfigError(Fault(f"--{error.faults[0].field}", error.detail)) from error
    except (SanctumError, CommandRefusedError) as error:
        click.echo(f"sanctum: not revoked: {error}", err=True)
        return FAILED
    click.echo(f"Revoked: {_WHAT[RevocationKind(kind)].format(value)}, in tenant {tenant}. {reach}")
    return 0


def _revoke_shared(config: Config, command: Revoke) -> str:
    asyncio.run(_store(config, command))
    return "In force on every instance within 1 s, on those that start later at once."


def _revoke_embedded(config: Config, command: Revoke) -> str:
    path = socket_beside(config.database_path)
    try:
        ask(path, command)
    except NotServedError as unheard:
        return _revoke_in_file(config, command, why=f"its control socket {path} can't be used ({unheard})")
    return "In force on the running service."


def _revoke_in_file(config: Config, command: Revoke, *, why: str) -> str:
    """Write it into the file, which no service may have open; ``why`` it was not told to one."""
    if not is_there(config.database_path):
        raise ConfigError(Fault("DATABASE_URL", f"there is no file {config.database_path}"))
    try:
        asyncio.run(_store(config, command))
    except ConfigError as error:
        if isinstance(error.__cause__, DatabaseLockedError):
            raise ConfigError(Fault("DATABASE_URL", f"{error.__cause__}, and {why}")) from error
        raise
    return "No service runs on this database: in force from its next start on."


async def _store(config: Config, command: Revoke) -> None:
    clock = SystemClock()
    async with open_storage(config, clock) as storage:
        await storage.revocations.add(_revocation_of(command, clock))


def _revocation_of(command: Revoke, clock: Clock) -> NewRevocation:
    """Read a command.

    Raises:
        InvalidError: it names what can't be.
    """
    try:
        kind = RevocationKind(command.kind)
    except ValueError:
        raise InvalidError.of_field("kind", "unknown", "There is no such kind of revocation.") from None
    for field, name in (("tenant", command.tenant), (kind.value, command.value)):
        if not is_name(name):
            raise InvalidError.of_field(field, "malformed", "must be 1 to 255 characters without controls")
    if kind is RevocationKind.SESSION and command.value == NO_DEVICE:
        raise InvalidError.of_field(kind.value, "malformed", "stands for all tokens that name no session")
    return NewRevocation(TenantId(command.tenant), kind, command.value, clock.now())
