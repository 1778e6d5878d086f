from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.adapters.jwt.development import (
    DEVELOPMENT,
    KEY_FILE,
    DevelopmentIssuer,
    DevelopmentKeyError,
    _make_key,
)
from sanctum_messaging.adapters.jwt.keys import StaticKeys, parse_key_set
from sanctum_messaging.adapters.jwt.verifier import JWTVerifier, TrustedIssuer
from sanctum_messaging.domain.errors import InvalidError
from sanctum_messaging.ports.identity import VerifiedToken
from tests.identity_provider import NOW, MovingClock, assert_refused

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def issuer(tmp_path: Path, clock: MovingClock) -> DevelopmentIssuer:
    return DevelopmentIssuer.at(tmp_path, clock)


def verifier_of(issuer: DevelopmentIssuer, clock: MovingClock) -> JWTVerifier:
    keys = StaticKeys(parse_key_set(json.dumps(issuer.jwks()).encode()))
    return JWTVerifier([TrustedIssuer(DEVELOPMENT, keys)], clock)


async def verified(issuer: DevelopmentIssuer, token: str) -> VerifiedToken:
    return await verifier_of(issuer, MovingClock()).verify(token)


async def test_a_token_says_what_it_was_issued_for(issuer: DevelopmentIssuer) -> None:
    text = issuer.issue("alice", device="phone", session="s1", tenant="acme", ttl=60, scope="messaging:admin x")

    token = await verified(issuer, text)

    assert (token.tenant, token.subject, token.device, token.session) == ("acme", "alice", "phone", "s1")
    assert token.scopes == {"messaging:admin"}
    assert token.expires_at == NOW + 60_000


async def test_device_session_and_scope_may_be_left_out(issuer: DevelopmentIssuer) -> None:
    token = await verified(issuer, issuer.issue("Žofie 🦊"))

    assert (token.tenant, token.subject, token.device, token.session) == ("default", "Žofie 🦊", None, None)
    assert token.scopes == frozenset()


async def test_each_token_has_an_id_of_its_own(issuer: DevelopmentIssuer) -> None:
    ids = {(await verified(issuer, issuer.issue("alice"))).token_id for _ in range(20)}

    assert len(ids - {None}) == 20


async def test_a_token_ends(issuer: DevelopmentIssuer, clock: MovingClock) -> None:
    token = issuer.issue("alice", ttl=60)

    clock.pass_seconds(90)

    await assert_refused(verifier_of(issuer, clock), token)


async def test_a_token_of_another_installation_is_refused(
    issuer: DevelopmentIssuer, tmp_path: Path, clock: MovingClock
) -> None:
    other = DevelopmentIssuer.at(tmp_path / "other", clock)

    await assert_refused(verifier_of(issuer, clock), other.issue("alice"))


async def test_the_key_stays(issuer: DevelopmentIssuer, tmp_path: Path, clock: MovingClock) -> None:
    again = DevelopmentIssuer.at(tmp_path, clock)

    assert again.jwks() == issuer.jwks()
    assert (await verified(again, issuer.issue("alice"))).subject == "alice"


def test_only_the_owner_can_read_the_key(tmp_path: Path, clock: MovingClock) -> None:
    umask = os.umask(0)
    try:
        DevelopmentIssuer.at(tmp_path / "new", clock)
    finally:
        os.umask(umask)

    assert stat.S_IMODE((tmp_path / "new" / KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_only_the_public_part_is_published(issuer: DevelopmentIssuer, tmp_path: Path) -> None:
    private = json.loads((tmp_path / KEY_FILE).read_bytes())["d"]

    assert private not in json.dumps(issuer.jwks())


def test_all_who_start_at_once_get_the_same_key(tmp_path: Path, clock: MovingClock) -> None:
    barrier = Barrier(16)

    def start(_: int) -> dict[str, object]:
        barrier.wait()
        return DevelopmentIssuer.at(tmp_path / "data", clock).jwks()

    with ThreadPoolExecutor(16) as pool:
        published = list(pool.map(start, range(16)))

    assert published == [published[0]] * 16
    assert [path.name for path in (tmp_path / "data").iterdir()] == [KEY_FILE]


def test_who_comes_second_leaves_the_first_key_alone(tmp_path: Path) -> None:
    _make_key(tmp_path / KEY_FILE)
    first = (tmp_path / KEY_FILE).read_bytes()

    _make_key(tmp_path / KEY_FILE)

    assert (tmp_path / KEY_FILE).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"kty": "OKP", "crv": "Ed25519", "x": "AA"}', b"\xff"])
def test_a_broken_key_file_is_told(tmp_path: Path, clock: MovingClock, content: bytes) -> None:
    (tmp_path / KEY_FILE).write_bytes(content)

    with pytest.raises(DevelopmentKeyError, match="delete it"):
        DevelopmentIssuer.at(tmp_path, clock)


def test_a_directory_that_cannot_be_used_is_told(tmp_path: Path, clock: MovingClock) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(DevelopmentKeyError, match="can be neither read nor made"):
        DevelopmentIssuer.at(tmp_path / "file", clock)


@pytest.mark.parametrize("name", ["", "x" * 256, "a\nb"])
@pytest.mark.parametrize("claim", ["device", "session", "tenant"])
def test_names_that_the_service_would_refuse_are_not_signed(issuer: DevelopmentIssuer, claim: str, name: str) -> None:
    with pytest.raises(InvalidError):
        issuer.issue("alice", **{claim: name})  # type: ignore[arg-type] # Names are the only text parameters.
    with pytest.raises(InvalidError):
        issuer.issue(name)


def test_a_public_key_is_no_development_key(tmp_path: Path, clock: MovingClock, issuer: DevelopmentIssuer) -> None:
    key = json.loads((tmp_path / KEY_FILE).read_bytes())
    del key["d"]
    (tmp_path / KEY_FILE).write_text(json.dumps(key))

    with pytest.raises(DevelopmentKeyError, match="delete it"):
        DevelopmentIssuer.at(tmp_path, clock)
