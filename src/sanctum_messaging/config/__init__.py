"""The configuration: read from the environment, below what the command line says, and checked as a whole.

The variables stand in :mod:`sanctum_messaging.config.variables`. Faults are collected, so that an operator sees all of
them at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

from sanctum_messaging.config import variables
from sanctum_messaging.config.parsers import POSTGRES, SQLITE, Network, is_loopback
from sanctum_messaging.config.variable import Variable
from sanctum_messaging.config.variables import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

__all__ = ["VARIABLES", "Config", "ConfigError", "Fault", "Variable", "describe_config", "is_loopback", "load_config"]

T = TypeVar("T")

DATABASE_FILE = "messaging.db"
_HIDDEN = "***"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one variable; it never repeats the value, which may be secret."""

    variable: str
    meaning: str

    def __str__(self) -> str:
        return f"{self.variable}: {self.meaning}"


class ConfigError(Exception):
    """The service can't start like this; ``faults`` holds all that is known to be wrong."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration as it is in effect; each field is the variable of the same name.

    ``dev`` comes from the command line alone: no variable that was left behind can open a service to everybody.
    """

    host: str
    port: int
    workers: int
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
    dev: bool = False

    @property
    def uses_postgres(self) -> bool:
        """Whether the database is one that several instances may share."""
        return self.database_url.startswith(POSTGRES)

    @property
    def database_path(self) -> Path:
        """The file that the SQLite address names."""
        return Path(unquote(self.database_url.removeprefix(SQLITE)))


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
    names = [variable.name for variable in VARIABLES] if only is None else only
    chosen = {**environ, **{name: text for name, text in (overrides or {}).items() if text is not None}}
    reader = _Reader({name: chosen[name].strip() for name in names if chosen.get(name, "").strip()})
    reader.read_files({name: path for name in names if (path := chosen.get(f"{name}_FILE", "").strip())})
    config = _read(reader, dev=dev)
    if only is None:
        reader.faults += list(_contradictions(config, reader))
    if reader.faults:
        raise ConfigError(*reader.faults)
    return config


def describe_config(config: Config) -> Iterator[tuple[str, str]]:
    """Write each variable as it would stand in the environment, with secrets hidden."""
    for variable in VARIABLES:
        value = getattr(config, variable.name.lower())
        hidden = variable.name == variables.BUS_SECRET.name and value
        emptied = value == () != variable.default
        yield variable.name, _HIDDEN if hidden else "none" if emptied else _written(value)


class _Reader:
    """Reads variable after variable and remembers what is wrong."""

    def __init__(self, given: dict[str, str]) -> None:
        self.given = given
        self.faults: list[Fault] = []

    def read_files(self, paths: Mapping[str, str]) -> None:
        """Take the secrets that stand in files."""
        for variable in VARIABLES:
            if not variable.secret or variable.name not in paths:
                continue
            name = f"{variable.name}_FILE"
            if variable.name in self.given:
                self.faults.append(Fault(name, f"can't be set together with {variable.name}"))
                continue
            try:
                self.given[variable.name] = Path(paths[variable.name]).read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError):
                self.faults.append(Fault(name, "the file can't be read"))

    def read(self, variable: Variable[T]) -> T:
        text = self.given.get(variable.name)
        if text is None:
            return variable.default
        try:
            return variable.parse(text)
        except ValueError as error:
            self.faults.append(Fault(variable.name, str(error)))
            return variable.default


def _read(reader: _Reader, *, dev: bool) -> Config:
    values: dict[str, Any] = {variable.name.lower(): reader.read(variable) for variable in VARIABLES}
    if values["database_url"] is None:
        values["database_url"] = SQLITE + quote(str(values["data_dir"] / DATABASE_FILE))
    return Config(**values, dev=dev)


def _contradictions(config: Config, reader: _Reader) -> Iterator[Fault]:
    """Find what is wrong between variables; a malformed one counts as given, so that it is not called missing too."""
    given, malformed = reader.given, {fault.variable for fault in reader.faults}
    key_sets = [name for name in ("JWKS_URL", "JWKS_FILE") if name in given]
    if config.dev:
        if not is_loopback(config.host):
            yield Fault("HOST", "--dev lets anybody in, so it is for 127.0.0.1, ::1 and localhost only")
        for name in key_sets:
            yield Fault(name, "can't be set with --dev, which trusts tokens of its own only")
    else:
        yield from _issuer_faults(key_sets, given)
    if malformed.isdisjoint({"DATABASE_URL", "DATABASE_URL_FILE"}):
        yield from _storage_faults(config, given)
    if "JWT_TENANT" in given and "JWT_TENANT_CLAIM" in given:
        yield Fault("JWT_TENANT_CLAIM", "can't be set together with JWT_TENANT")
    if config.cors_allow_credentials and not config.cors_allowed_origins and "CORS_ALLOWED_ORIGINS" not in malformed:
        yield Fault("CORS_ALLOW_CREDENTIALS", "needs CORS_ALLOWED_ORIGINS, or any page could act for your users")


def _storage_faults(config: Config, given: Mapping[str, str]) -> Iterator[Fault]:
    """A file is of one process, which needs nobody to tell it what it does itself."""
    if not config.uses_postgres:
        if config.workers > 1:
            yield Fault("WORKERS", "a SQLite file serves one process; set DATABASE_URL to PostgreSQL")
        for name in ("REDIS_URL", "BUS_SECRET"):
            if name in given:
                yield Fault(name, f"is for several instances, which need a DATABASE_URL of {POSTGRES[0]}…")
    elif "BUS_SECRET" in given and "REDIS_URL" not in given:
        yield Fault("BUS_SECRET", "is of no use without REDIS_URL")


def _issuer_faults(key_sets: Sequence[str], given: Mapping[str, str]) -> Iterator[Fault]:
    match key_sets:
        case []:
            yield Fault(
                "JWKS_URL", "set it, or JWKS_FILE, with JWT_ISSUER and JWT_AUDIENCE; or try things out with --dev"
            )
        case [_]:
            for name in ("JWT_ISSUER", "JWT_AUDIENCE"):
                if name not in given:
                    yield Fault(name, f"must be set with {key_sets[0]}")
        case _:
            yield Fault("JWKS_FILE", "can't be set together with JWKS_URL")


def _written(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "on" if value else "off"
        case tuple():
            return ",".join(map(str, value))
        case str() if "://" in value:
            return _without_secrets(value)
        case _:
            return str(value)


def _without_secrets(address: str) -> str:
    """Hide what may be a secret in an address: the password, and the query."""
    parts = urlsplit(address)
    user, at, host = parts.netloc.rpartition("@")
    if not user and not parts.query:
        return address
    if ":" in user:
        user = f"{user.partition(':')[0]}:{_HIDDEN}"
    return parts._replace(netloc=f"{user}{at}{host}", query=_HIDDEN if parts.query else "").geturl()
