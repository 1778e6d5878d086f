"""What is wrong between variables that are right by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.config.faults import Fault
from sanctum_messaging.config.parsers import POSTGRES, is_loopback
from sanctum_messaging.config.toml_file import ISSUERS, in_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sanctum_messaging.config import Config
    from sanctum_messaging.config.reader import Reader


_SINGLE_ISSUER = (
    "JWKS_URL",
    "JWKS_FILE",
    "JWT_ISSUER",
    "JWT_AUDIENCE",
    "JWT_TENANT",
    "JWT_TENANT_CLAIM",
    "JWT_DEVICE_CLAIM",
    "JWT_SESSION_CLAIM",
)


def contradictions(config: Config, reader: Reader) -> Iterator[Fault]:
    """Find what is wrong between variables; a malformed one counts as given, so that it is not called missing too."""
    given, malformed = reader.given, reader.malformed
    if "SANCTUM_CONFIG" in malformed:
        # Whatever seems to be missing may stand in the file.
        return
    yield from _development_faults(config, given) if config.dev else _issuer_faults(given)
    if "DATABASE_URL" not in malformed:
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


def _development_faults(config: Config, given: Mapping[str, str]) -> Iterator[Fault]:
    if not is_loopback(config.host):
        yield Fault("HOST", "--dev lets anybody in, so it is for 127.0.0.1, ::1 and localhost only")
    refused = "can't be set with --dev, which trusts tokens of its own only"
    for name in ("JWKS_URL", "JWKS_FILE"):
        if name in given:
            yield Fault(name, refused)
    if ISSUERS in given:
        yield in_file(ISSUERS, refused)


def _issuer_faults(given: Mapping[str, str]) -> Iterator[Fault]:
    """Whose tokens are believed is said in one place: what was left behind in the other must not add anybody."""
    key_sets = [name for name in ("JWKS_URL", "JWKS_FILE") if name in given]
    if ISSUERS in given:
        for name in _SINGLE_ISSUER:
            if name in given:
                yield Fault(name, "can't be set together with [[issuers]]; make it one of them")
    elif not key_sets:
        yield Fault("JWKS_URL", "set it, or JWKS_FILE, with JWT_ISSUER and JWT_AUDIENCE; or try things out with --dev")
    elif len(key_sets) > 1:
        yield Fault("JWKS_FILE", "can't be set together with JWKS_URL")
    else:
        for name in ("JWT_ISSUER", "JWT_AUDIENCE"):
            if name not in given:
                yield Fault(name, f"must be set with {key_sets[0]}")
