from __future__ import annotations

import pytest
from starlette.exceptions import HTTPException

from sanctum_messaging.api.problems import MethodNotAllowedError, refusal_of
from sanctum_messaging.domain.errors import InvalidError, NotFoundError
from sanctum_messaging.protocol.decoding import FieldFaultsError, NotJSONError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFoundError(), "not_found"),
        (NotJSONError(), "malformed_json"),
        (FieldFaultsError.of_field("a", "type"), "invalid"),
        (HTTPException(404), "not_found"),
        (HTTPException(405, headers={"Allow": "GET"}), "method_not_allowed"),
        (HTTPException(413), "body_too_large"),
        (HTTPException(418), "bad_request"),
    ],
)
def test_refusals_are_translated(error: Exception, code: str) -> None:
    refusal = refusal_of(error)
    assert refusal is not None
    assert refusal.code == code


def test_what_is_known_of_a_refusal_is_kept() -> None:
    faults = refusal_of(FieldFaultsError.of_field("a", "type"))
    assert isinstance(faults, InvalidError)
    assert [(each.field, each.code) for each in faults.faults] == [("a", "type")]
    refused = refusal_of(HTTPException(405, headers={"Allow": "GET"}))
    assert isinstance(refused, MethodNotAllowedError)
    assert refused.allow == "GET"


def test_the_text_of_a_foreign_refusal_is_not() -> None:
    refusal = refusal_of(HTTPException(400, detail="secret"))
    assert refusal is not None
    assert "secret" not in refusal.detail


def test_what_nobody_foresaw_is_no_refusal() -> None:
    assert refusal_of(ValueError("x")) is None
