"""The table of variables: each stands here once, with what it means, how it is checked and what it is without one.

The reference page of the configuration is made of this table.
"""

from __future__ import annotations

from pathlib import Path

from sanctum_messaging.config.parsers import (
    LOG_LEVELS,
    MAX_BODY_BYTES,
    MAX_DRAIN,
    MAX_POOL,
    MAX_PORT,
    MAX_WORKERS,
    MIN_BODY_BYTES,
    MIN_POOL,
    MIN_SECRET,
    POSTGRES,
    REDIS,
    SQLITE,
    Network,
    parse_body_bytes,
    parse_database_url,
    parse_drain,
    parse_file,
    parse_host,
    parse_hosts,
    parse_jwks_url,
    parse_log_level,
    parse_networks,
    parse_origins,
    parse_pool_size,
    parse_port,
    parse_redis_url,
    parse_secret,
    parse_switch,
    parse_text,
    parse_workers,
)
from sanctum_messaging.config.rate_limits import RATE_LIMITS
from sanctum_messaging.config.variable import Variable

SANCTUM_CONFIG = Variable(
    "SANCTUM_CONFIG", "path", None, "A TOML file with settings, and with several identity providers if you like.", Path
)
HOST = Variable("HOST", "host", "127.0.0.1", "Address to listen on; `0.0.0.0` or `::` for all.", parse_host)
PORT = Variable("PORT", "number", 8080, "Port to listen on; 0 takes a free one.", parse_port, range=f"0-{MAX_PORT}")
WORKERS = Variable(
    "WORKERS",
    "number",
    1,
    "Processes that serve this address together, each an instance with connections of its own. Above 1 with PostgreSQL"
    " only.",
    parse_workers,
    range=f"1-{MAX_WORKERS}",
)
DRAIN_SECONDS: Variable[int | None] = Variable(
    "DRAIN_SECONDS",
    "number",
    None,
    "Over how long a stop by SIGTERM spreads the reconnects of its clients. 0: all are sent away at once.",
    parse_drain,
    unit="seconds",
    range=f"0-{MAX_DRAIN}",
    default_text=f"{MAX_DRAIN}; 0 with `--dev`",
)
DATA_DIR = Variable("DATA_DIR", "path", Path("sanctum-data"), "Directory of all that is stored.", Path)
DATABASE_URL = Variable(
    "DATABASE_URL",
    "address",
    None,
    "Where conversations and messages are stored: a file of one process, or PostgreSQL for any number of instances.",
    parse_database_url,
    range=f"{SQLITE}path, {POSTGRES[0]}…",
    default_text="`messaging.db` in `DATA_DIR`",
    secret=True,
)
DATABASE_POOL_SIZE = Variable(
    "DATABASE_POOL_SIZE",
    "number",
    10,
    "Connections to PostgreSQL that an instance opens at most.",
    parse_pool_size,
    range=f"{MIN_POOL}-{MAX_POOL}",
)
REQUIRE_DURABLE = Variable(
    "REQUIRE_DURABLE",
    "switch",
    default=False,
    meaning="Whether to refuse a PostgreSQL that may lose acknowledged messages (`fsync=off`), instead of warning.",
    parse=parse_switch,
    range="on, off",
)
REDIS_URL = Variable(
    "REDIS_URL",
    "address",
    None,
    "Redis or Valkey, by which instances on one PostgreSQL hear of one another at once. It may lose everything at any"
    " time; without it they look at the database four times a second.",
    parse_redis_url,
    range=", ".join(f"{scheme}…" for scheme in REDIS),
    secret=True,
)
BUS_SECRET = Variable(
    "BUS_SECRET",
    "text",
    None,
    "What proves that a message on the bus is from an instance; the same on all of them.",
    parse_secret,
    range=f"at least {MIN_SECRET} characters",
    default_text="a random key in the database",
    secret=True,
)
JWKS_URL = Variable(
    "JWKS_URL",
    "address",
    None,
    "Where the identity provider publishes its keys (JWK Set). Not with `--dev`.",
    parse_jwks_url,
    range="https; http on this machine",
)
JWKS_FILE = Variable(
    "JWKS_FILE", "path", None, "A file with the keys, instead of `JWKS_URL`. Not with `--dev`.", parse_file
)
JWT_ISSUER = Variable(
    "JWT_ISSUER", "text", None, "The `iss` of the tokens, exactly. Needed with a JWK Set.", parse_text
)
JWT_AUDIENCE = Variable(
    "JWT_AUDIENCE", "text", None, "The `aud` that tokens for this service have. Needed with a JWK Set.", parse_text
)
JWT_TENANT = Variable("JWT_TENANT", "text", "default", "The tenant of all tokens.", parse_text)
JWT_TENANT_CLAIM = Variable(
    "JWT_TENANT_CLAIM", "claim", None, "The claim that tells a token's tenant, instead of `JWT_TENANT`.", parse_text
)
JWT_DEVICE_CLAIM = Variable(
    "JWT_DEVICE_CLAIM", "claim", "device_id", "The claim that tells a token's device, if it has one.", parse_text
)
JWT_SESSION_CLAIM = Variable(
    "JWT_SESSION_CLAIM", "claim", "sid", "The claim that tells a token's session, if it has one.", parse_text
)
LOG_LEVEL = Variable(
    "LOG_LEVEL",
    "choice",
    "info",
    "The least severe events that are logged.",
    parse_log_level,
    range=", ".join(LOG_LEVELS),
)
ACCESS_LOG = Variable(
    "ACCESS_LOG",
    "switch",
    default=True,
    meaning="Whether each request and each connection leaves a line in the log, at level info.",
    parse=parse_switch,
    range="on, off",
)
CORS_ALLOWED_ORIGINS: Variable[tuple[str, ...]] = Variable(
    "CORS_ALLOWED_ORIGINS",
    "list",
    (),
    "The origins whose pages may call the service, separated by commas. Empty: any, without credentials.",
    parse_origins,
)
CORS_ALLOW_CREDENTIALS = Variable(
    "CORS_ALLOW_CREDENTIALS",
    "switch",
    default=False,
    meaning="Whether these pages may send credentials. Needs `CORS_ALLOWED_ORIGINS`.",
    parse=parse_switch,
    range="on, off",
)
DOCS = Variable(
    "DOCS",
    "switch",
    default=True,
    meaning="Whether `/docs`, `/openapi.json` and `/asyncapi.json` are there.",
    parse=parse_switch,
    range="on, off",
)

MAX_BODY = Variable(
    "MAX_BODY_BYTES",
    "number",
    65_536,
    "The largest body of a request. Raise with it what a load balancer lets through: `client_max_body_size` of"
    " `deploy/nginx.conf` is 128 KiB.",
    parse_body_bytes,
    unit="bytes",
    range=f"{MIN_BODY_BYTES}-{MAX_BODY_BYTES}",
)
ALLOWED_HOSTS: Variable[tuple[str, ...]] = Variable(
    "ALLOWED_HOSTS",
    "list",
    (),
    "The hosts that the service answers for (header `Host`), separated by commas; one without a port allows any."
    " Empty: all.",
    parse_hosts,
)
TRUSTED_PROXIES: Variable[tuple[Network, ...]] = Variable(
    "TRUSTED_PROXIES",
    "list",
    (),
    "The proxies before the service, as addresses or networks separated by commas: what they write into"
    " `X-Forwarded-For` and `X-Forwarded-Proto` is believed. Empty: nobody's.",
    parse_networks,
)
VARIABLES: tuple[Variable[object], ...] = (
    SANCTUM_CONFIG,
    HOST,
    PORT,
    WORKERS,
    DRAIN_SECONDS,
    DATA_DIR,
    DATABASE_URL,
    DATABASE_POOL_SIZE,
    REQUIRE_DURABLE,
    REDIS_URL,
    BUS_SECRET,
    JWKS_URL,
    JWKS_FILE,
    JWT_ISSUER,
    JWT_AUDIENCE,
    JWT_TENANT,
    JWT_TENANT_CLAIM,
    JWT_DEVICE_CLAIM,
    JWT_SESSION_CLAIM,
    LOG_LEVEL,
    ACCESS_LOG,
    CORS_ALLOWED_ORIGINS,
    CORS_ALLOW_CREDENTIALS,
    DOCS,
    MAX_BODY,
    ALLOWED_HOSTS,
    TRUSTED_PROXIES,
    *RATE_LIMITS,
)
