from __future__ import annotations

from dataclasses import fields
from ipaddress import ip_network
from pathlib import Path

import pytest

from sanctum_messaging.config import (
    VARIABLES,
    Config,
    ConfigError,
    describe_config,
    is_loopback,
    load_config,
)

PRODUCTION = {"JWKS_URL": "https://id.example/jwks", "JWT_ISSUER": "https://id.example", "JWT_AUDIENCE": "chat"}


def load(**environ: str) -> Config:
    return load_config({**PRODUCTION, **environ})


def faults(environ: dict[str, str], *, dev: bool = False) -> dict[str, str]:
    with pytest.raises(ConfigError) as refused:
        load_config(environ, dev=dev)
    return {fault.variable: fault.meaning for fault in refused.value.faults}


def test_production_needs_only_the_identity_provider() -> None:
    config = load()

    assert config == Config(
        sanctum_config=None,
        host="127.0.0.1",
        port=8080,
        workers=1,
        drain_seconds=20,
        data_dir=Path("sanctum-data"),
        database_url="sqlite:///sanctum-data/messaging.db",
        database_pool_size=10,
        require_durable=False,
        redis_url=None,
        bus_secret=None,
        jwks_url="https://id.example/jwks",
        jwks_file=None,
        jwt_issuer="https://id.example",
        jwt_audience="chat",
        jwt_tenant="default",
        jwt_tenant_claim=None,
        jwt_device_claim="device_id",
        jwt_session_claim="sid",
        log_level="info",
        access_log=True,
        cors_allowed_origins=(),
        cors_allow_credentials=False,
        docs=True,
        max_body_bytes=65_536,
        allowed_hosts=(),
        trusted_proxies=(),
        rate_limit_mode="enforce",
        rate_limit_max=1_000,
        rate_limit_per_device=120,
        rate_limit_per_session=120,
        rate_limit_per_user=240,
        rate_limit_read_per_user=1_200,
        rate_limit_create_per_user=60,
        rate_limit_connect_per_user=60,
        rate_limit_connect_per_address=600,
        rate_limit_auth_failures=10,
        rate_limit_interval_ms=60_000,
        rate_limit_frames=100,
        rate_limit_allowlist=(ip_network("127.0.0.1"), ip_network("::1")),
        connections_per_user=20,
        connections_per_address=1_000,
        handshakes_per_second=250,
        issuers=(),
        dev=False,
    )
    assert config.database_path == Path("sanctum-data/messaging.db")


def test_development_needs_nothing() -> None:
    assert load_config({}, dev=True).dev


def test_each_field_is_a_variable_and_each_variable_a_field() -> None:
    names = [variable.name for variable in VARIABLES]

    assert {field.name for field in fields(Config)} - {"dev", "issuers"} == {name.lower() for name in names}
    assert len(set(names)) == len(names)


def test_each_variable_is_described() -> None:
    for variable in VARIABLES:
        assert variable.meaning.endswith(".")
        assert variable.type


def test_the_development_mode_is_no_variable() -> None:
    assert not load(DEV="1", SANCTUM_DEV="on").dev


def test_the_command_line_beats_the_environment() -> None:
    config = load_config({**PRODUCTION, "PORT": "1", "HOST": "::1"}, {"PORT": "2", "HOST": None, "DATA_DIR": "/d"})

    assert (config.port, config.host, config.data_dir) == (2, "::1", Path("/d"))


def test_empty_means_not_set() -> None:
    assert load(PORT="", DATA_DIR="  ", CORS_ALLOWED_ORIGINS="", JWKS_FILE="") == load()


def test_space_around_a_value_is_no_part_of_it() -> None:
    assert load(PORT=" 9000\r").port == 9000


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("PORT", "0", 0),
        ("PORT", "65535", 65535),
        ("WORKERS", "1", 1),
        ("DRAIN_SECONDS", "0", 0),
        ("DRAIN_SECONDS", "20", 20),
        ("HOST", "0.0.0.0", "0.0.0.0"),  # noqa: S104 # It is what a container listens on.
        ("HOST", "fe80::1%eth0", "fe80::1%eth0"),
        ("LOG_LEVEL", "DEBUG", "debug"),
        ("DOCS", "off", False),
        ("DOCS", "False", False),
        ("DOCS", "0", False),
        ("DOCS", "ON", True),
        ("JWKS_URL", "http://localhost:9000/jwks?x=1", "http://localhost:9000/jwks?x=1"),
        ("JWKS_URL", "http://[::1]/jwks", "http://[::1]/jwks"),
        ("JWT_TENANT", "acme", "acme"),
        ("JWT_TENANT_CLAIM", "https://x.example/org", "https://x.example/org"),
        ("CORS_ALLOWED_ORIGINS", "https://a.example", ("https://a.example",)),
        (
            "CORS_ALLOWED_ORIGINS",
            "https://A.example:443, http://b.example:80 ,http://[::1]:3000,https://c.example:80,https://a.example,",
            ("https://a.example", "http://b.example", "http://[::1]:3000", "https://c.example:80"),
        ),
    ],
)
def test_a_value_is_understood(name: str, text: str, value: object) -> None:
    assert getattr(load(**{name: text}), name.lower()) == value


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///data/a.db", "data/a.db"),
        ("sqlite:////var/lib/a.db", "/var/lib/a.db"),
        ("sqlite:///a%20b%3Fc.db", "a b?c.db"),
    ],
)
def test_the_database_is_a_file(url: str, path: str) -> None:
    assert load(DATABASE_URL=url).database_path == Path(path)


@pytest.mark.parametrize("directory", ["/var/lib/x", "a b/c?d#e", "50%25", "é"])
def test_the_database_is_in_the_data_directory_unless_told_otherwise(directory: str) -> None:
    assert load(DATA_DIR=directory).database_path == Path(directory) / "messaging.db"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("PORT", "8080.0"),
        ("PORT", "canary"),
        ("PORT", "٣"),
        ("PORT", "8_0"),
        ("HOST", "[::1]"),
        ("HOST", "http://localhost"),
        ("HOST", "a canary"),
        ("LOG_LEVEL", "canary"),
        ("DOCS", "canary"),
        ("WORKERS", "0"),
        ("DRAIN_SECONDS", "21"),
        ("DRAIN_SECONDS", "1.5"),
        ("WORKERS", "65"),
        ("WORKERS", "two canaries"),
        ("DATABASE_URL", "sqlite://a.db"),
        ("DATABASE_URL", "sqlite:///"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DATABASE_URL", "sqlite:///."),
        ("DATABASE_URL", "sqlite:////data/.."),
        ("DATABASE_URL", "sqlite:///canary%00.db"),
        ("DATABASE_URL", "sqlite:///a.db?mode=ro"),
        ("DATABASE_URL", "mysql://canary@x"),
        ("DATABASE_URL", "messaging.db"),
        ("DATABASE_URL", "PostgreSQL+asyncpg://canary@h"),
        ("DATABASE_URL", "postgresql://u:can ary@h/d"),
        ("DATABASE_URL", "postgresql://[canary/d"),
        ("DATABASE_URL", "postgresql://h/d#canary"),
        ("DATABASE_URL", "postgresql://u:pa/canary@h/d"),
        ("DATABASE_URL", "postgresql://u:pa?canary@h/d"),
        ("DATABASE_URL", "postgresql://u:p@a/canary@h/d"),
        ("DATABASE_URL", "postgresql://u:canary/d"),
        ("DATABASE_POOL_SIZE", "3"),
        ("DATABASE_POOL_SIZE", "canary"),
        ("REDIS_URL", "h:6379"),
        ("REDIS_URL", "http://canary"),
        ("BUS_SECRET", "canary"),
        ("JWKS_URL", "http://id.example/jwks"),
        ("JWKS_URL", "https://"),
        ("JWKS_URL", "https://user:canary@id.example/jwks"),
        ("JWKS_URL", "https://id.example/jwks#x"),
        ("JWKS_URL", "https://id.example/\x01canary"),
        ("JWKS_URL", "https://id.example:canary/"),
        ("JWKS_URL", "https://[::1/"),
        ("JWKS_URL", "file:///etc/passwd"),
        ("JWT_ISSUER", "x" * 256),
        ("JWT_AUDIENCE", "canary\x00"),
        ("JWT_TENANT", "a\nb"),
        ("CORS_ALLOWED_ORIGINS", "*"),
        ("CORS_ALLOWED_ORIGINS", "null"),
        ("CORS_ALLOWED_ORIGINS", "a.example"),
        ("CORS_ALLOWED_ORIGINS", "https://a.example/"),
        ("CORS_ALLOWED_ORIGINS", "https://a.example/canary"),
        ("CORS_ALLOWED_ORIGINS", "https://a.example?"),
        ("CORS_ALLOWED_ORIGINS", "https://a.example,ftp://b.example"),
        ("CORS_ALLOWED_ORIGINS", "https://*.canary.example"),
        ("CORS_ALLOWED_ORIGINS", "https://é.example"),
        ("CORS_ALLOWED_ORIGINS", "https://a.example:canary"),
    ],
)
def test_a_senseless_value_is_a_fault_of_its_variable(name: str, text: str) -> None:
    found = faults({**PRODUCTION, name: text})

    assert list(found) == [name]
    assert "canary" not in found[name]


SHARED = {"DATABASE_URL": "postgresql://u:p@h/d"}


@pytest.mark.parametrize(
    "url", ["postgresql://u:p%40@a:1,b:2/d?target_session_attrs=read-write", "postgres:///d?host=/run/postgresql"]
)
def test_the_database_may_be_shared(url: str) -> None:
    assert load(DATABASE_URL=url).uses_postgres
    assert not load().uses_postgres


@pytest.mark.parametrize(
    "url", ["redis://:pa/canary@h:6379/0", "unix://:pa/canary@/run/redis.sock", "redis://:canary", "redis://u:canary/0"]
)
def test_a_password_that_would_be_taken_for_something_else_is_refused_and_not_shown(url: str) -> None:
    found = faults({**PRODUCTION, **SHARED, "REDIS_URL": url})

    assert list(found) == ["REDIS_URL"]
    assert "canary" not in found["REDIS_URL"]


def test_a_socket_may_have_an_at_sign_in_its_name() -> None:
    assert load(**SHARED, REDIS_URL="unix:///run/redis@main.sock").redis_url == "unix:///run/redis@main.sock"


def test_a_secret_that_can_not_be_read_is_not_called_missing_too(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")

    found = faults({**PRODUCTION, **SHARED, "REDIS_URL_FILE": missing, "BUS_SECRET": "0123456789abcdef"})

    assert found == {"REDIS_URL_FILE": "the file can't be read"}


def test_instances_may_hear_of_one_another() -> None:
    config = load(**SHARED, REDIS_URL="rediss://:p@h:6379/1", BUS_SECRET="0123456789abcdef", REQUIRE_DURABLE="1")
    assert (config.redis_url, config.bus_secret, config.require_durable) == (
        "rediss://:p@h:6379/1",
        "0123456789abcdef",
        True,
    )


def test_what_is_for_several_instances_needs_a_database_that_they_share() -> None:
    shared = {"REDIS_URL": "redis://h", "BUS_SECRET": "0123456789abcdef"}
    assert list(faults({**PRODUCTION, **shared})) == list(shared)
    assert load(REQUIRE_DURABLE="on").require_durable
    assert list(faults({**PRODUCTION, **SHARED, "BUS_SECRET": shared["BUS_SECRET"]})) == ["BUS_SECRET"]


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "url"
    path.write_text(SHARED["DATABASE_URL"] + "\n")
    assert load(DATABASE_URL_FILE=str(path)).database_url == SHARED["DATABASE_URL"]
    both = {**PRODUCTION, **SHARED, "DATABASE_URL_FILE": str(path)}
    assert faults(both) == {"DATABASE_URL_FILE": "can't be set together with DATABASE_URL"}
    nowhere = {**PRODUCTION, "DATABASE_URL_FILE": str(tmp_path / "canary")}
    assert faults(nowhere) == {"DATABASE_URL_FILE": "the file can't be read"}
    path.write_text(" \n")
    assert faults({**PRODUCTION, "DATABASE_URL_FILE": str(path)}) == {"DATABASE_URL_FILE": "the file is empty"}
    assert load(PORT_FILE=str(path)).port == 8080


def test_secrets_are_not_shown() -> None:
    config = load(**SHARED, REDIS_URL="redis://:canary@h", BUS_SECRET="canary-0123456789")
    shown = dict(describe_config(config))
    assert "canary" not in "".join(shown.values()) + repr(config)
    assert (shown["DATABASE_URL"], shown["BUS_SECRET"]) == ("postgresql://u:***@h/d", "***")


def test_all_faults_are_told_at_once() -> None:
    found = faults({"PORT": "x", "LOG_LEVEL": "x", "JWKS_URL": "x", "CORS_ALLOW_CREDENTIALS": "on"})

    assert list(found) == ["PORT", "JWKS_URL", "LOG_LEVEL", "JWT_ISSUER", "JWT_AUDIENCE", "CORS_ALLOW_CREDENTIALS"]


def test_a_file_serves_one_process() -> None:
    meaning = "a SQLite file serves one process; set DATABASE_URL to PostgreSQL"
    for address in ("", "sqlite:///a.db"):
        assert faults({**PRODUCTION, "WORKERS": "2", "DATABASE_URL": address}) == {"WORKERS": meaning}
    assert list(faults({**PRODUCTION, "WORKERS": "2", "DATABASE_URL": "canary"})) == ["DATABASE_URL"]
    assert load(WORKERS="64", **SHARED).workers == 64


def test_without_an_identity_provider_the_fault_says_what_to_set() -> None:
    found = faults({})

    assert list(found) == ["JWKS_URL"]
    assert all(word in found["JWKS_URL"] for word in ("JWKS_FILE", "JWT_ISSUER", "JWT_AUDIENCE", "--dev"))


@pytest.mark.parametrize("missing", ["JWT_ISSUER", "JWT_AUDIENCE"])
def test_keys_alone_are_not_enough(missing: str) -> None:
    assert list(faults({**PRODUCTION, missing: ""})) == [missing]


def test_keys_come_from_one_place(tmp_path: Path) -> None:
    keys = tmp_path / "jwks.json"
    keys.write_text("{}")

    assert list(faults({**PRODUCTION, "JWKS_FILE": str(keys)})) == ["JWKS_FILE"]
    assert load(JWKS_URL="", JWKS_FILE=str(keys)).jwks_file == keys


def test_a_key_file_must_be_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        assert list(faults({**PRODUCTION, "JWKS_URL": "", "JWKS_FILE": str(path)})) == ["JWKS_FILE"]


def test_a_tenant_is_fixed_or_told_by_a_claim() -> None:
    assert list(faults({**PRODUCTION, "JWT_TENANT": "a", "JWT_TENANT_CLAIM": "org"})) == ["JWT_TENANT_CLAIM"]


def test_credentials_need_a_list_of_origins() -> None:
    assert list(faults({**PRODUCTION, "CORS_ALLOW_CREDENTIALS": "on"})) == ["CORS_ALLOW_CREDENTIALS"]
    assert list(faults({**PRODUCTION, "CORS_ALLOW_CREDENTIALS": "on", "CORS_ALLOWED_ORIGINS": ","})) == [
        "CORS_ALLOW_CREDENTIALS"
    ]
    assert list(faults({**PRODUCTION, "CORS_ALLOW_CREDENTIALS": "on", "CORS_ALLOWED_ORIGINS": "*"})) == [
        "CORS_ALLOWED_ORIGINS"
    ]
    assert load(CORS_ALLOW_CREDENTIALS="on", CORS_ALLOWED_ORIGINS="https://a.example").cors_allow_credentials


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", "::ffff:192.0.2.1", "localhost.example"])  # noqa: S104
def test_development_is_refused_where_others_could_reach_it(host: str) -> None:
    assert list(faults({"HOST": host}, dev=True)) == ["HOST"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LocalHost"])
def test_development_is_for_this_machine(host: str) -> None:
    assert is_loopback(host)
    assert load_config({"HOST": host}, dev=True).host == host


def test_development_trusts_no_other_issuer() -> None:
    assert list(faults(PRODUCTION, dev=True)) == ["JWKS_URL"]


def test_a_command_that_needs_little_is_not_stopped_by_the_rest() -> None:
    config = load_config({"PORT": "x", "DATA_DIR": "/d"}, only=("DATA_DIR",))

    assert config.data_dir == Path("/d")
    with pytest.raises(ConfigError):
        load_config({"DATABASE_URL": "x"}, only=("DATA_DIR", "DATABASE_URL"))


def test_the_description_reads_back_as_the_same_configuration() -> None:
    config = load(
        DOCS="off", CORS_ALLOWED_ORIGINS="https://a.example,https://b.example", CORS_ALLOW_CREDENTIALS="on", PORT="1"
    )

    assert load_config(dict(describe_config(config))) == config


def test_secrets_are_hidden_when_shown() -> None:
    config = load(JWKS_URL="https://id.example/jwks?api_key=canary")

    assert dict(describe_config(config))["JWKS_URL"] == "https://id.example/jwks?***"
    assert "canary" not in repr(config)


def test_a_password_in_an_address_is_hidden_when_shown() -> None:
    config = load(JWT_ISSUER="https://user:canary@id.example/")

    assert dict(describe_config(config))["JWT_ISSUER"] == "https://user:***@id.example/"
