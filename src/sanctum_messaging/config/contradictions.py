"""What is wrong between variables that are right by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanctum_messaging.config.faults import Fault
from sanctum_messaging.config.parsers import POSTGRES, is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sanctum_messaging.config import Config
    from sanctum_messaging.config.reader import Reader


def contradictions(config: Config, reader: Reader) -> Iterator[Fault]:
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
