"""Whose tokens are accepted, and the issuer of development."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from sanctum_messaging.adapters.jwt.claims import Issuer
from sanctum_messaging.adapters.jwt.development import DEVELOPMENT, DevelopmentIssuer, DevelopmentKeyError
from sanctum_messaging.adapters.jwt.jwks import FileDocument, HTTPDocument, JWKSCache, read_key_file
from sanctum_messaging.adapters.jwt.keys import KeySetError, StaticKeys, parse_key_set
from sanctum_messaging.adapters.jwt.verifier import JWTVerifier
from sanctum_messaging.config import ConfigError, Fault
from sanctum_messaging.domain.model import TenantId

if TYPE_CHECKING:
    from collections.abc import Callable

    from sanctum_messaging.adapters.jwt.jwks import KeyDocument
    from sanctum_messaging.config import Config


def wall_clock() -> int:
    """Return the milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def development_issuer(config: Config, now: Callable[[], int] = wall_clock) -> DevelopmentIssuer:
    """Take or make the development key of the data directory.

    Raises:
        ConfigError: the data directory does not let it.
    """
    try:
        return DevelopmentIssuer.at(config.data_dir, now)
    except DevelopmentKeyError as error:
        raise ConfigError(Fault("DATA_DIR", str(error))) from error


def token_verifier(config: Config, now: Callable[[], int]) -> JWTVerifier:
    """Build the verifier of the issuer that is configured; ``start`` it before use and ``close`` it at the end.

    Raises:
        ConfigError: the development key or the file of keys can't be read. A provider may be out of reach for now.
    """
    if config.dev:
        published = msgspec.json.encode(development_issuer(config, now).jwks())
        return JWTVerifier(StaticKeys(parse_key_set(published)), DEVELOPMENT, now)
    if config.jwt_issuer is None or config.jwt_audience is None:
        raise ConfigError(Fault("JWT_ISSUER", "must be set, and JWT_AUDIENCE too"))
    issuer = Issuer(
        name=config.jwt_issuer,
        audience=config.jwt_audience,
        tenant=TenantId(config.jwt_tenant),
        tenant_claim=config.jwt_tenant_claim,
        device_claim=config.jwt_device_claim,
        session_claim=config.jwt_session_claim,
    )
    return JWTVerifier(JWKSCache(_key_document(config), now), issuer, now)


def _key_document(config: Config) -> KeyDocument:
    if config.jwks_file is not None:
        try:
            # Read again by the cache; here only to stop at once over a file that holds no key.
            parse_key_set(read_key_file(config.jwks_file))
        except KeySetError as error:
            raise ConfigError(Fault("JWKS_FILE", str(error))) from error
        return FileDocument(config.jwks_file)
    if config.jwks_url is None:
        raise ConfigError(Fault("JWKS_URL", "must be set, or JWKS_FILE"))
    return HTTPDocument(config.jwks_url)
