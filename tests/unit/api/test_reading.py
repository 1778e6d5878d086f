from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sanctum_messaging.api.calls import find_header
from sanctum_messaging.api.problems import ClientGoneError
from sanctum_messaging.api.reading import QueryReader, read_body, read_token
from sanctum_messaging.domain.errors import SanctumError, UnauthenticatedError
from sanctum_messaging.protocol.decoding import FieldFaultsError
from sanctum_messaging.protocol.requests import MessagesQuery, SyncQuery

if TYPE_CHECKING:
    from starlette.types import Message, Scope

JSON = ("application/json",)


def scope(name: str, *values: str) -> Scope:
    return {"headers": [(name.encode(), value.encode()) for value in values]}


@pytest.mark.parametrize("value", ["ann", " ann", "ann ", "ann\t ", " \tann"])
def test_white_space_around_a_header_is_no_part_of_it(value: str) -> None:
    assert find_header(scope("act-as", value), b"act-as") == "ann"


class TestTokens:
    @pytest.mark.parametrize("header", ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c "])
    def test_stand_behind_their_scheme(self, header: str) -> None:
        assert read_token(scope("authorization", header)) == "a.b.c"

    @pytest.mark.parametrize("values", [[], [""], ["a.b.c"], ["Basic a"], ["Bearer\ta"]])
    def test_of_other_schemes_are_none(self, values: list[str]) -> None:
        with pytest.raises(UnauthenticatedError):
            read_token(scope("authorization", *values))

    def test_two_of_them_are_one_that_nobody_signed(self) -> None:
        assert read_token(scope("authorization", "Bearer a", "Bearer b")) == "a, Bearer b"

    def test_no_token_is_for_the_verifier_to_refuse(self) -> None:
        assert read_token(scope("authorization", "Bearer")) == ""


class TestBodies:
    async def read(self, *messages: Message, media_type: str = "application/json") -> bytes:
        incoming = list(messages)

        async def receive() -> Message:
            return incoming.pop(0)

        return await read_body(scope("content-type", media_type), receive, JSON)

    async def test_come_whole_or_in_parts(self) -> None:
        assert await self.read({"type": "http.request", "body": b"ab"}) == b"ab"
        parts = [{"type": "http.request", "body": part, "more_body": part != b"c"} for part in (b"a", b"b", b"c")]
        assert await self.read(*parts) == b"abc"
        assert await self.read({"type": "http.request"}) == b""

    async def test_that_end_early_are_none(self) -> None:
        with pytest.raises(ClientGoneError):
            await self.read({"type": "http.disconnect"})
        with pytest.raises(ClientGoneError):
            await self.read({"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.disconnect"})

    async def test_of_another_type_are_not_read(self) -> None:
        with pytest.raises(SanctumError) as refused:
            await self.read(media_type="text/plain")
        assert refused.value.code == "unsupported_media_type"


class TestQueries:
    reader = QueryReader(MessagesQuery)

    def faults(self, query: bytes) -> list[str]:
        with pytest.raises(FieldFaultsError) as refused:
            self.reader.read(query)
        return [f"{each.field} {each.code}" for each in refused.value.faults]

    def test_fall_back_on_the_defaults(self) -> None:
        assert self.reader.read(b"") == MessagesQuery()
        assert self.reader.read(b"limit=5") == MessagesQuery(limit=5)
        assert self.reader.read(b"beforeSeq=%37") == MessagesQuery(before_seq=7)

    def test_a_null_is_a_text(self) -> None:
        assert QueryReader(SyncQuery).read(b"cursor=null").cursor == "null"

    @pytest.mark.parametrize(
        ("query", "faults"),
        [
            (b"limit=null", ["limit type"]),
            (b"limit=true", ["limit type"]),
            (b"limit=1_0", ["limit type"]),
            (b"limit= 1", ["limit type"]),
            (b"limit", ["limit type"]),
            (b"=1", [" unknown"]),
            (b"limit=0&x=1", ["limit too_small", "x unknown"]),
            (b"limit=1&limit=1&x=1&x=2", ["limit duplicate", "x duplicate"]),
            (b"&".join(b"a%d=1" % n for n in range(30)), [" malformed"]),
            (b"limit=\xff", [" malformed"]),
            (b"limit=%ff", [" malformed"]),
        ],
    )
    def test_are_refused_parameter_by_parameter(self, query: bytes, faults: list[str]) -> None:
        assert self.faults(query) == faults
