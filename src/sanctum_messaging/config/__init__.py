"""The configuration, checked as a whole: the command line beats the environment, which beats the file of settings.

The variables stand in :mod:`sanctum_messaging.config.variables`. Faults are collected, so that an operator sees all of
them at once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from sanctum_messaging.config.contradictions import contradictions
from sanctum_messaging.config.description import describe_config
from sanctum_messaging.config.faults import ConfigError, Fault
from sanctum_messaging.config.issuers import IssuerSettings, read_issuers
from sanctum_messaging.config.parsers import MAX_DRAIN, POSTGRES, SQLITE, Network, is_loopback
from sanctum_messaging.config.reader import Reader
from sanctum_messaging.config.toml_file import ISSUERS, find_unknown_keys, read_table
from sanctum_messaging.config.variable import Variable
from sanctum_messaging.config.variables import SANCTUM_CONFIG, VARIABLES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = [
    "VARIABLES",
    "Config",
    "ConfigError",
    "Fault",
    "IssuerSettings",
    "Variable",
    "describe_config",
    "find_database",
    "is_loopback",
    "load_config",
]

DATABASE_FILE = "messaging.db"
_KEYS = frozenset({ISSUERS, *(variable.name.lower() for variable in VARIABLES)} - {SANCTUM_CONFIG.name.lower()})
"""What may stand in the file of settings."""


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration as it is in effect; each field is the variable of the same name.

    ``issuers`` come from the file of settings; there are none if the variables name the one issuer. ``dev`` comes from
    the command line alone: no variable that was left behind can open a service to everybody.
    """

    sanctum_config: Path | None
    host: str
    port: int
    workers: int
    drain_seconds: int
    data_dir: Path
    database_url: str = field(repr=False)
    database_pool_size: int
    require_durable: bool
    redis_url: str | None = field(repr=False)
    bus_secret: str | None = field(repr=False)
    jwks_url: str | None = field(repr=False)
    jwks_file: Path | None
    jwt_issuer: str | None
    jwt_audience: str | None
    jwt_tenant: str
    jwt_tenant_claim: str | None
    jwt_device_claim: str
    jwt_session_claim: str
    log_level: str
    access_log: bool
    cors_allowed_origins: tuple[str, ...]
    cors_allow_credentials: bool
    docs: bool
    max_body_bytes: int
    allowed_hosts: tuple[str, ...]
    trusted_proxies: tuple[Network, ...]
    rate_limit_mode: str
    rate_limit_max: int
    rate_limit_per_device: int
    rate_limit_per_session: int
    rate_limit_per_user: int
    rate_limit_read_per_user: int
    rate_limit_create_per_user: int
    rate_limit_connect_per_user: int
    rate_limit_connect_per_address: int
    rate_limit_auth_failures: int
    rate_limit_interval_ms: int
    rate_limit_frames: int
    rate_limit_allowlist: tuple[Network, ...]
    connections_per_user: int
    connections_per_address: int
    handshakes_per_second: int
    issuers: tuple[IssuerSettings, ...] = ()
    dev: bool = False

    @property
    def uses_postgres(self) -> bool:
        """Whether the database is one that several instances may share."""
        return self.database_url.startswith(POSTGRES)

    @property
    def database_path(self) -> Path:
        """The file that the SQLite address names, or leads to: what keeps others off it lies beside the file itself."""
        return find_database(self.database_url)


def find_database(address: str) -> Path:
    """Read the address of a SQLite file; of a link it is the file that it leads to."""
    path = unquote(address.removeprefix(SQLITE))
    # A folder that is a link needs no following: what lies in it is the same by whatever name.
    is_link = os.path.islink(path)  # noqa: PTH114 - the other one raises where the folder can't be looked into
    return Path(os.path.realpath(path) if is_link else path)


def load_config(
    environ: Mapping[str, str],
    overrides: Mapping[str, str | None] | None = None,
    *,
    dev: bool = False,
    only: Collection[str] | None = None,
) -> Config:
    """Read the configuration; ``overrides`` of the command line beat the environment, and empty means not set.

    ``only`` names the variables that a command needs: the others keep their defaults, whatever is wrong with them.

    Raises:
        ConfigError: with every fault.
    """
    chosen = {**environ, **{name: text for name, text in (overrides or {}).items() if text is not None}}
    reader = Reader([variable.name for variable in VARIABLES] if only is None else [SANCTUM_CONFIG.name, *only])
    table = _read_file(chosen, reader)
    reader.take_environ(chosen)
    if only is not None:
        config = _read(reader, dev=dev)
    else:
        config = _read(reader, dev=dev, issuers=_read_issuers(table, reader))
        reader.faults += contradictions(config, reader)
    if reader.faults:
        raise ConfigError(*reader.faults)
    return config


def _read_file(chosen: Mapping[str, str], reader: Reader) -> Mapping[str, object]:
    path = chosen.get(SANCTUM_CONFIG.name, "").strip()
    if not path:
        return {}
    try:
        table = read_table(Path(path))
    except ValueError as error:
        reader.refuse(SANCTUM_CONFIG.name, Fault(SANCTUM_CONFIG.name, str(error)))
        return {}
    reader.take_table(table)
    return table


def _read_issuers(table: Mapping[str, object], reader: Reader) -> tuple[IssuerSettings, ...]:
    reader.faults += find_unknown_keys(table, _KEYS)
    issuers, faults = read_issuers(table.get(ISSUERS, []))
    if issuers or faults:
        reader.given[ISSUERS] = ""
    reader.faults += faults
    return issuers


def _read(reader: Reader, *, dev: bool, issuers: tuple[IssuerSettings, ...] = ()) -> Config:
    values: dict[str, Any] = {variable.name.lower(): reader.read(variable) for variable in VARIABLES}
    if values["database_url"] is None:
        values["database_url"] = SQLITE + quote(str(values["data_dir"] / DATABASE_FILE))
    if values["drain_seconds"] is None:
        values["drain_seconds"] = 0 if dev else MAX_DRAIN
    return Config(**values, issuers=issuers, dev=dev)
