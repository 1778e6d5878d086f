"""Whose tokens are accepted, and the issuer of development."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from sanctum_messaging.adapters.jwt.claims import Issuer
from sanctum_messaging.adapters.jwt.development import DEVELOPMENT, DevelopmentIssuer, DevelopmentKeyError
from sanctum_messaging.adapters.jwt.jwks import KEEP_MS, FileDocument, HTTPDocument, JWKSCache, read_key_file
from sanctum_messaging.adapters.jwt.keys import ALGORITHMS, KeySetError, StaticKeys, parse_key_set
from sanctum_messaging.adapters.jwt.verifier import JWTVerifier, TrustedIssuer
from sanctum_messaging.config import ConfigError, Fault, IssuerSettings
from sanctum_messaging.config.toml_file import ISSUERS, in_file
from sanctum_messaging.domain.model import TenantId

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
    """Build the verifier of the issuers that are configured; ``start`` it before use and ``close`` it at the end.

    Raises:
        ConfigError: the development key or a file of keys can't be read. A provider may be out of reach for now.
    """
    if config.dev:
        published = msgspec.json.encode(development_issuer(config, now).jwks())
        return JWTVerifier([TrustedIssuer(DEVELOPMENT, StaticKeys(parse_key_set(published)))], now)
    all_settings = config.issuers or (_single_issuer(config),)
    documents = [_key_document(settings, config) for settings in all_settings]
    return JWTVerifier(
        [
            TrustedIssuer(_issuer(settings, all_settings), JWKSCache(document, now, issuer=settings.issuer))
            for settings, document in zip(all_settings, documents, strict=True)
        ],
        now,
    )


def find_keyless(verifier: JWTVerifier) -> list[str]:
    """Name the issuers whose tokens can't be proven now: their keys were never read, or not for too long."""
    caches = {name: each.keys for name, each in verifier.trusted.items() if isinstance(each.keys, JWKSCache)}
    return [name for name, cache in caches.items() if cache.age_ms is None or cache.age_ms >= KEEP_MS]


def _single_issuer(config: Config) -> IssuerSettings:
    if config.jwt_issuer is None or config.jwt_audience is None:
        raise ConfigError(Fault("JWT_ISSUER", "must be set, and JWT_AUDIENCE too"))
    return IssuerSettings(
        issuer=config.jwt_issuer,
        audience=config.jwt_audience,
        jwks_url=config.jwks_url,
        jwks_file=config.jwks_file,
        algorithms=(),
        tenant=config.jwt_tenant,
        tenant_claim=config.jwt_tenant_claim,
        tenants=(),
        device_claim=config.jwt_device_claim,
        session_claim=config.jwt_session_claim,
    )


def _issuer(settings: IssuerSettings, all_settings: Sequence[IssuerSettings]) -> Issuer:
    told = {tenant for each in all_settings for tenant in (each.tenants if each.tenant_claim else (each.tenant,))}
    return Issuer(
        name=settings.issuer,
        audience=settings.audience,
        tenant=TenantId(settings.tenant),
        tenant_claim=settings.tenant_claim,
        tenants=frozenset(settings.tenants),
        foreign_tenants=frozenset(told),
        device_claim=settings.device_claim,
        session_claim=settings.session_claim,
        algorithms=frozenset(settings.algorithms) or ALGORITHMS,
    )


def _key_document(settings: IssuerSettings, config: Config) -> KeyDocument:
    if settings.jwks_file is not None:
        try:
            # Read again by the cache; here only to stop at once over a file that holds no key.
            parse_key_set(read_key_file(settings.jwks_file))
        except KeySetError as error:
            raise ConfigError(_key_file_fault(settings, config, str(error))) from error
        return FileDocument(settings.jwks_file)
    if settings.jwks_url is None:
        raise ConfigError(Fault("JWKS_URL", "must be set, or JWKS_FILE"))
    return HTTPDocument(settings.jwks_url)


def _key_file_fault(settings: IssuerSettings, config: Config, meaning: str) -> Fault:
    if settings not in config.issuers:
        return Fault("JWKS_FILE", meaning)
    return in_file(f"{ISSUERS}[{config.issuers.index(settings)}].jwks_file", meaning)
