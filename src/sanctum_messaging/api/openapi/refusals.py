"""How calls may be refused: for each status the codes that the call gives, and what a problem of each looks like."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from sanctum_messaging.api.openapi.headers import header_references
from sanctum_messaging.api.openapi.schemas import Json, reference
from sanctum_messaging.api.routing import NoBody
from sanctum_messaging.protocol.codes import ANY_REQUEST, PROBLEMS
from sanctum_messaging.protocol.resources import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sanctum_messaging.api.routing import AnyRoute

_AUTHENTICATED = ("unauthenticated", "act_as_not_allowed", "invalid", "rate_limited")
_WITH_BODY = ("malformed_json", "unsupported_media_type")
_WITH_IF_MATCH = ("precondition_failed", "if_match_required")
_HEADERS = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate",),
    HTTPStatus.METHOD_NOT_ALLOWED: ("Allow",),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After",),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Retry-After",),
}
_ELSEWHERE = ("not_found", "method_not_allowed")
"""What a request gets that names no call of the document, but for what any request may get."""


def codes_of(route: AnyRoute) -> tuple[str, ...]:
    """List every code that a route may be refused with."""
    codes = [*ANY_REQUEST, *_AUTHENTICATED, *route.problems]
    if "{" in route.path or route.path == "/v1/messages":
        codes.append("not_found")
    if route.body is not NoBody:
        codes += _WITH_BODY
    if route.needs_if_match:
        codes += _WITH_IF_MATCH
    if route.method != "GET":
        codes.append("outcome_unknown")
    return tuple(codes)


def refusals(codes: Iterable[str]) -> Json:
    """Refer to the responses that say these codes, by status."""
    return {
        str(status): {"$ref": f"#/components/responses/{_name(each)}"} for status, each in _by_status(codes).items()
    }


def refusal_components(routes: Iterable[AnyRoute]) -> Json:
    """Make the responses that the calls of these routes and of operators refer to, by name."""
    made: Json = {}
    for codes in (ANY_REQUEST, _ELSEWHERE, *(codes_of(route) for route in routes)):
        for status, each in _by_status(codes).items():
            made[_name(each)] = _response(status, each)
    return dict(sorted(made.items()))


def _by_status(codes: Iterable[str]) -> dict[int, list[str]]:
    given = set(codes)
    grouped: dict[int, list[str]] = {}
    for code, kind in PROBLEMS.items():
        if code in given:
            grouped.setdefault(kind.status, []).append(code)
    return grouped


def _name(codes: list[str]) -> str:
    """Name a response after its codes: ``NotFound``, ``ConflictOrLastOwner``."""
    return "Or".join("".join(word.capitalize() for word in code.split("_")) for code in codes)


def _response(status: int, codes: list[str]) -> Json:
    told = {"properties": {"status": {"const": status}, "code": {"enum": codes}}}
    content = {
        "schema": {"allOf": [reference(Problem), told]},
        "examples": {code: {"value": example(code)} for code in codes},
    }
    names = ("X-Request-Id", "RateLimit", "RateLimit-Policy", *_HEADERS.get(HTTPStatus(status), ()))
    return {
        "description": " ".join(f"`{code}`: {PROBLEMS[code].title}" for code in codes),
        "headers": header_references(*names),
        "content": {"application/problem+json": content},
    }


def example(code: str) -> Json:
    """Show a problem of this code."""
    kind = PROBLEMS[code]
    problem: Json = {
        "type": f"urn:sanctum:problem:{code}",
        "title": kind.title,
        "status": kind.status,
        "code": code,
        "detail": kind.title,
        "requestId": "01981f70-1111-7aaa-8bbb-2c3d4e5f6a7b",
        "retryable": kind.retryable,
    }
    match code:
        case "rate_limited":
            problem |= {"retryAfterMs": 500, "scope": "device"}
        case "overloaded" | "unavailable" | "outcome_unknown" | "stopping":
            problem["retryAfterMs"] = 1000
        case "precondition_failed" | "if_match_required":
            problem["version"] = 2
        case "cursor_too_old" | "cursor_diverged":
            problem["cursor"] = "4711-9f3a1c07"
        case "invalid":
            problem["errors"] = [{"field": "participants[0].userId", "code": "too_short"}]
        case _:
            pass
    return problem
