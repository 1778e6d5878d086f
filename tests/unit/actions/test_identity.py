from __future__ import annotations

import pytest

from sanctum_messaging.actions.identity import act_for, authenticate
from sanctum_messaging.domain.errors import FieldFault, ForbiddenError, InvalidError, UnauthenticatedError
from sanctum_messaging.domain.model import Actor, DeviceId, Millis, ProvingKey, SessionId, TenantId, UserId
from sanctum_messaging.ports.identity import VerifiedToken, is_name


class KnownTokens:
    """A verifier that knows its tokens by heart."""

    def __init__(self, **tokens: VerifiedToken) -> None:
        self._tokens = tokens

    async def verify(self, token: str) -> VerifiedToken:
        if token not in self._tokens:
            raise UnauthenticatedError
        return self._tokens[token]

    def trusts(self, key: ProvingKey) -> bool:
        return any(token.proven_by == key for token in self._tokens.values())


def proven(
    *, device: str | None = None, session: str | None = None, token_id: str | None = None, scopes: tuple[str, ...] = ()
) -> VerifiedToken:
    return VerifiedToken(
        tenant=TenantId("acme"),
        subject=UserId("alice"),
        device=None if device is None else DeviceId(device),
        session=None if session is None else SessionId(session),
        scopes=frozenset(scopes),
        expires_at=Millis(42_000),
        token_id=token_id,
        issued_at=Millis(30_000),
    )


SERVICE = proven(scopes=("messaging:admin", "profile"))


async def actor_of(token: VerifiedToken, act_as: str | None = None) -> Actor:
    bearer = await authenticate(KnownTokens(token=token), "token")
    return bearer if act_as is None else act_for(bearer, act_as)


async def test_a_user_acts_as_himself() -> None:
    actor = await actor_of(proven(device="phone", session="s1", token_id="t1", scopes=("profile",)))

    assert actor == Actor(
        tenant=TenantId("acme"),
        user=UserId("alice"),
        device=DeviceId("phone"),
        session=SessionId("s1"),
        expires_at=Millis(42_000),
        scopes=frozenset({"profile"}),
        token_id="t1",
        issued_at=Millis(30_000),
    )


@pytest.mark.parametrize(
    ("token", "device", "session"),
    [
        (proven(device="d", session="s", token_id="t"), "d", "s"),
        (proven(session="s", token_id="t"), "s", "s"),
        (proven(device="d", token_id="t"), "d", "t"),
        (proven(device="d"), "d", "d"),
        (proven(token_id="t"), "-", "t"),
        (proven(), "-", "-"),
    ],
)
async def test_device_and_session_stand_in_for_one_another(token: VerifiedToken, device: str, session: str) -> None:
    actor = await actor_of(token)

    assert (actor.device, actor.session) == (device, session)


async def test_an_invalid_token_is_refused() -> None:
    with pytest.raises(UnauthenticatedError):
        await authenticate(KnownTokens(), "forged")


async def test_a_service_without_act_as_acts_as_its_own_subject() -> None:
    actor = await actor_of(SERVICE)

    assert (actor.user, actor.service, actor.impersonating) == ("alice", True, False)


@pytest.mark.parametrize("user", ["bob", "alice", "x" * 255, "Žofie 🦊", "a/b%2F c"])
async def test_a_service_acts_for_the_user_it_names(user: str) -> None:
    actor = await actor_of(SERVICE, user)

    assert (actor.user, actor.tenant, actor.service, actor.impersonating) == (user, "acme", True, True)


@pytest.mark.parametrize("scopes", [(), ("messaging",), ("messaging:admin2",), ("MESSAGING:ADMIN",)])
@pytest.mark.parametrize("act_as", ["bob", "alice", "", "\x00"])
async def test_nobody_else_acts_for_another(scopes: tuple[str, ...], act_as: str) -> None:
    with pytest.raises(ForbiddenError) as refused:
        await actor_of(proven(scopes=scopes), act_as)

    assert refused.value.code == "act_as_not_allowed"


@pytest.mark.parametrize("act_as", ["", "x" * 256, "a\nb", "\x00", "a\x7f", "a\x85", "\ud800"])
async def test_act_as_must_be_a_possible_user(act_as: str) -> None:
    with pytest.raises(InvalidError) as refused:
        await actor_of(SERVICE, act_as)

    assert refused.value.faults == (FieldFault("Act-As", "malformed"),)
    assert not act_as or act_as not in refused.value.detail


@pytest.mark.parametrize(("text", "accepted"), [("a", True), ("\u00a0", True), ("a\n", False), ("\x9f", False)])
def test_names_have_no_controls(text: str, accepted: bool) -> None:  # noqa: FBT001 # A table of cases.
    assert is_name(text) is accepted
