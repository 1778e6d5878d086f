"""Moving up: an embedded installation, which is stopped, is copied to PostgreSQL, where instances go on with it."""

from __future__ import annotations

from sanctum_messaging.bootstrap.storage import check_driver
from sanctum_messaging.config import ConfigError, Fault, find_database
from sanctum_messaging.config.parsers import POSTGRES, SQLITE, parse_database_url

SOURCE, TARGET = "--from", "--to"


def copy_installation(source: str, target: str) -> int:
    """Copy from one address to another, with progress on standard error; return the exit code.

    Raises:
        ConfigError: one of the two can't be used like this; nothing was copied.
    """
    for name, address, scheme in ((SOURCE, source, SQLITE), (TARGET, target, POSTGRES)):
        _check_address(name, address, scheme)
    check_driver("asyncpg", TARGET, "postgres")
    from sanctum_messaging.bootstrap.copying.command import run  # noqa: PLC0415 # The driver is optional.

    return run(find_database(source), target)


def _check_address(name: str, address: str, scheme: str | tuple[str, ...]) -> None:
    if not address.startswith(scheme):
        first = scheme if isinstance(scheme, str) else scheme[0]
        raise ConfigError(Fault(name, f"must begin with {first}; a copy goes from SQLite to PostgreSQL"))
    try:
        parse_database_url(address)
    except ValueError as error:
        raise ConfigError(Fault(name, str(error))) from None
