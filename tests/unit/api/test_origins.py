from __future__ import annotations

import pytest

from sanctum_messaging.api.origins import OriginPolicy

LISTED = OriginPolicy(("https://app.example.com", "http://localhost:3000"), credentials=True)


@pytest.mark.parametrize(
    ("origin", "scheme", "host", "allowed"),
    [
        (None, "http", "api.test", True),
        ("https://app.example.com", "http", "api.test", True),
        ("https://app.example.com:443", "http", "api.test", True),
        ("HTTPS://App.Example.com", "http", "api.test", True),
        ("http://api.test", "http", "api.test", True),
        ("http://api.test:80", "http", "api.test", True),
        ("http://api.test", "ws", "api.test:80", True),
        ("https://api.test", "wss", "API.test", True),
        ("https://api.test", "http", "api.test", False),
        ("http://api.test:8080", "http", "api.test", False),
        ("http://app.example.com", "http", "api.test", False),
        ("https://app.example.com:8443", "http", "api.test", False),
        ("https://app.example.com.evil.test", "http", "api.test", False),
        ("https://xapp.example.com", "http", "api.test", False),
        ("null", "http", "api.test", False),
        ("", "http", "api.test", False),
        ("http://None", "http", None, False),
    ],
)
def test_a_list_admits_its_own_and_the_services_own(
    origin: str | None, scheme: str, host: str | None, *, allowed: bool
) -> None:
    assert LISTED.allows(origin, scheme=scheme, host=host) is allowed


def test_an_empty_list_admits_any() -> None:
    policy = OriginPolicy((), credentials=False)
    for origin in (None, "null", "https://anywhere.test"):
        assert policy.allows(origin, scheme="http", host="api.test")


def test_credentials_need_a_list() -> None:
    with pytest.raises(ValueError, match="list"):
        OriginPolicy((), credentials=True)
