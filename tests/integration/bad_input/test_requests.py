"""Queries, headers, tokens and paths that make no sense, and what they get."""

from __future__ import annotations

import gzip
import time
from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.adapters.jwt.development import DevelopmentIssuer
from tests.integration.calling import Api, Caller, got, message, refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx2

CONVERSATIONS, MESSAGES = "/v1/conversations", "/v1/messages"


async def in_chunks(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


class TestQueries:
    @pytest.mark.parametrize(
        ("query", "faults"),
        [
            ("limit=0", ["limit too_small"]),
            ("limit=201", ["limit too_large"]),
            ("limit=ten", ["limit type"]),
            ("limit=", ["limit type"]),
            ("limit=1.0", ["limit type"]),
            ("limit=%2b1", ["limit type"]),
            ("limit=1&limit=2", ["limit duplicate"]),
            ("page=1", ["page unknown"]),
            ("Limit=1", ["Limit unknown"]),
            ("access_token=x", ["access_token unknown"]),
            ("beforeSeq=1&afterSeq=2", ["afterSeq unexpected"]),
            ("beforeSeq=-1", ["beforeSeq too_small"]),
            ("aroundSeq=99999999999999999999", ["aroundSeq type"]),
            ("limit=%ff", [" malformed"]),
        ],
    )
    async def test_of_messages_are_checked(self, ann: Caller, group: str, query: str, faults: list[str]) -> None:
        refused(await ann.get(f"{CONVERSATIONS}/{group}/messages?{query}"), 422, "invalid", *faults)

    @pytest.mark.parametrize("path", ["/v1/unread", CONVERSATIONS, "/v1/sync"])
    async def test_that_are_unknown_are_refused_everywhere(self, ann: Caller, path: str) -> None:
        refused(await ann.get(f"{path}?x=1"), 422, "invalid", "x unknown")

    @pytest.mark.parametrize(
        "cursor", ["", "x", "p", "u", "p1g", "u1", "u1g", "p1%0A", "%C3%A9", "p" + "1" * 16, "%00"]
    )
    async def test_a_page_cursor_was_given_out(self, ann: Caller, group: str, cursor: str) -> None:
        for path in (CONVERSATIONS, f"{CONVERSATIONS}/{group}/participants"):
            response = await ann.get(f"{path}?cursor={cursor}")
            code = "invalid" if cursor == "%00" else "invalid_cursor"
            refused(response, 422, code, "cursor nul" if cursor == "%00" else "cursor malformed")

    @pytest.mark.parametrize(
        "cursor", ["0", "1-xyz", "01-00000000", "-1-00000000", "1-0000000", "99999999999999999999-00000000"]
    )
    async def test_a_stream_cursor_was_given_out(self, ann: Caller, cursor: str) -> None:
        refused(await ann.get(f"/v1/sync?cursor={cursor}"), 422, "invalid_cursor", "cursor malformed")


class TestBodies:
    @pytest.mark.parametrize(
        "media_type",
        [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "",
            "application/jsonx",
            "application/json; charset=latin-1",
            "application/merge-patch+json",
        ],
    )
    async def test_are_json(self, ann: Caller, group: str, media_type: str) -> None:
        response = await ann.call("POST", MESSAGES, message(group), headers={"Content-Type": media_type})
        refused(response, 415, "unsupported_media_type")

    @pytest.mark.parametrize(
        "media_type", ["application/json; charset=utf-8", "Application/JSON", 'application/json;charset="UTF-8"']
    )
    async def test_may_say_that_they_are_utf_8(self, api: Api, group: str, media_type: str) -> None:
        response = await api.user("zoe").call("POST", MESSAGES, message(group), headers={"Content-Type": media_type})
        refused(response, 404, "not_found")

    async def test_are_not_compressed(self, api: Api, ann: Caller, group: str) -> None:
        compressed = gzip.compress(message(group))
        response = await ann.call("POST", MESSAGES, compressed, headers={"Content-Encoding": "gzip"})
        refused(response, 415, "unsupported_media_type")
        as_it_is = {"Content-Encoding": "Identity"}
        refused(await api.user("zoe").call("POST", MESSAGES, message(group), headers=as_it_is), 404, "not_found")

    async def test_are_at_most_64_kib(self, ann: Caller, group: str) -> None:
        fits = message(group, body="").ljust(65_536)
        refused(await ann.post(MESSAGES, fits), 422, "invalid", "body too_short")
        refused(await ann.post(MESSAGES, fits + b" "), 413, "body_too_large")

    async def test_are_counted_where_they_tell_no_length(self, ann: Caller, group: str) -> None:
        for last, code in ((b"", 422), (b" ", 413)):
            padding = 65_536 - 30_000 - len(message(group, body=""))
            body = in_chunks(message(group, body=""), b" " * 30_000, b" " * padding, last)
            headers = {"Content-Type": "application/json", **ann._headers}
            response = await ann._client.post(MESSAGES, content=body, headers=headers)
            assert "content-length" not in response.request.headers
            assert response.status_code == code


class TestTokens:
    async def unauthenticated(self, response: httpx2.Response, challenge: str) -> None:
        refused(response, 401, "unauthenticated")
        assert response.headers["www-authenticate"] == challenge

    async def test_are_needed(self, api: Api) -> None:
        for path in (CONVERSATIONS, "/v1/unread", "/v1/sync", "/v1/messages/x"):
            await self.unauthenticated(await api.nobody.get(path), 'Bearer realm="sanctum"')

    async def test_are_checked_before_anything_else_is_read(self, api: Api) -> None:
        response = await api.nobody.call("POST", f"{MESSAGES}?x=1", b"{", headers={"Content-Type": "text/plain"})
        await self.unauthenticated(response, 'Bearer realm="sanctum"')

    async def test_are_not_taken_from_the_address(self, api: Api) -> None:
        token = api.issuer.issue("ann")
        for query in (f"access_token={token}", f"token={token}"):
            response = await api.nobody.get(f"{CONVERSATIONS}?{query}")
            await self.unauthenticated(response, 'Bearer realm="sanctum"')

    async def test_are_ours_untouched_and_in_force(self, api: Api, tmp_path: Path) -> None:
        token = api.issuer.issue("ann")
        head, claims, signature = token.split(".")
        other = DevelopmentIssuer.at(tmp_path / "other", lambda: time.time_ns() // 1_000_000)
        past = DevelopmentIssuer.at(tmp_path, lambda: time.time_ns() // 1_000_000 - 7_200_000)
        bad = {
            "Bearer x",
            "Bearer ",
            f"Basic {token}",
            token,
            f"Bearer {token} {token}",
            f"Bearer {head}.{claims}.",
            f"Bearer {head}.{claims[:-2]}AA.{signature}",
            f"Bearer {other.issue('ann')}",
            f"Bearer {past.issue('ann')}",
        }
        for authorization in bad:
            response = await api.nobody.get(CONVERSATIONS, Authorization=authorization)
            await self.unauthenticated(response, 'Bearer realm="sanctum", error="invalid_token"')

    async def test_the_scheme_is_of_any_case(self, api: Api) -> None:
        got(await api.nobody.get("/v1/unread", Authorization=f"bearer {api.issuer.issue('ann')}"), 200)

    async def test_only_a_service_acts_for_another(self, api: Api) -> None:
        token = api.issuer.issue("ann")
        headers = {"Authorization": f"Bearer {token}", "Act-As": "bob"}
        refused(await api.nobody.call("GET", CONVERSATIONS, headers=headers), 403, "act_as_not_allowed")

    async def test_acts_for_someone_who_can_be(self, api: Api) -> None:
        response = await api.service_for("x" * 256).get(CONVERSATIONS)
        refused(response, 422, "invalid", "Act-As malformed")


class TestHeaders:
    @pytest.mark.parametrize("key", [" ", "a b", "x" * 256, "ключ"])
    async def test_an_idempotency_key_is_visible_ascii(self, ann: Caller, group: str, key: str) -> None:
        for path, body in (
            (CONVERSATIONS, {"kind": "group", "participants": []}),
            (f"{CONVERSATIONS}/{group}/participants", {"userId": "dan"}),
        ):
            headers = {b"Idempotency-Key": key.encode(), b"Content-Type": b"application/json"}
            response = await ann._client.post(path, json=body, headers={**_encoded(ann._headers), **headers})
            refused(response, 422, "invalid", "Idempotency-Key malformed")

    @pytest.mark.parametrize("match", ["v1", '"v1', "1", "", '"a" "b"'])
    async def test_if_match_holds_entity_tags(self, ann: Caller, group: str, match: str) -> None:
        response = await ann.call("PATCH", f"{CONVERSATIONS}/{group}", {"title": "x"}, headers={"If-Match": match})
        refused(response, 400, "bad_request")

    @pytest.mark.parametrize("match", ['"v2"', 'W/"v1"', '"v01"', '"1"', '"v2", "v3"', '"v99999999999999999999"', '""'])
    async def test_a_stale_if_match_gets_the_current_version(self, ann: Caller, group: str, match: str) -> None:
        problem = refused(
            await ann.patch(f"{CONVERSATIONS}/{group}", {"title": "x"}, match=match), 412, "precondition_failed"
        )
        assert problem["version"] == 1
        refused(await ann.delete(f"{CONVERSATIONS}/{group}", match=match), 412, "precondition_failed")

    async def test_if_match_is_needed(self, ann: Caller, group: str) -> None:
        refused(await ann.patch(f"{CONVERSATIONS}/{group}", {"title": "x"}), 428, "if_match_required")
        refused(await ann.delete(f"{CONVERSATIONS}/{group}"), 428, "if_match_required")


class TestPaths:
    async def test_unknown_ones_are_not_found(self, api: Api, ann: Caller) -> None:
        for path in ("/v1", "/v1/nothing", "/v1/messages/", "/v1//messages", "/healthz/", "/v1/conversations/a/b/c"):
            for caller in (ann, api.nobody):
                refused(await caller.get(path), 404, "not_found")

    @pytest.mark.parametrize(
        ("method", "path", "allow"),
        [
            ("PUT", "/v1/messages", "POST"),
            ("GET", "/v1/messages", "POST"),
            ("POST", "/v1/messages/x", "DELETE, GET, HEAD, PATCH"),
            ("DELETE", "/v1/conversations", "GET, HEAD, POST"),
            ("PUT", "/v1/conversations/x/participants/y", "DELETE, PATCH"),
            ("POST", "/healthz", "GET, HEAD"),
            ("TRACE", "/v1/unread", "GET, HEAD"),
            ("GET", "/dev/token", "POST"),
        ],
    )
    async def test_other_methods_are_told_the_right_ones(self, ann: Caller, method: str, path: str, allow: str) -> None:
        response = await ann.call(method, path)
        refused(response, 405, "method_not_allowed")
        assert response.headers["allow"] == allow


def _encoded(headers: dict[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in headers.items()}
