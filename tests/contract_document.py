"""Holds what the service says to what its documents say of it: every answer, and every frame."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from sanctum_messaging.api.asyncapi.document import create_document as describe_socket
from sanctum_messaging.api.openapi.document import create_document
from sanctum_messaging.api.routes import ROUTES
from sanctum_messaging.protocol.codes import PROBLEMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

Json = dict[str, Any]

PROBLEM = "application/problem+json"
UNDESCRIBED_HEADERS = re.compile(
    r"content-(type|length|security-policy)|cache-control|vary|access-control-.*|x-content-type-options|x-frame-options"
    r"|strict-transport-security|cross-origin-resource-policy|referrer-policy|connection|date"
)
"""What HTTP itself knows, and the headers that every answer bears, whatever it says."""

CUT_OFF = 1006


class Contract:
    """The OpenAPI document, asked whether an answer is one that it allows."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self._schemas = strict_schemas(document)
        self._validators: dict[tuple[str, ...], jsonschema_rs.Validator] = {}
        self._patterns = {path: _pattern(path) for path in document["paths"]}

    def check(self, response: httpx2.Response) -> None:
        """Check one answer, of which everything was read."""
        request = response.request
        method = "get" if request.method == "HEAD" else request.method.lower()
        path = self._find_path(request.url.raw_path.partition(b"?")[0].decode())
        operation = None if path is None else self.document["paths"][path].get(method)
        if path is None or operation is None:
            self._check_elsewhere(response)
        else:
            self._check_answer((path, method), operation, response)

    def _check_answer(self, key: tuple[str, str], operation: Json, response: httpx2.Response) -> None:
        name = f"{' '.join(key)} {response.status_code}"
        described = operation["responses"].get(str(response.status_code))
        assert described is not None, f"{name} is not in the document: {response.text}"
        described = self.follow(described)
        self._check_headers(name, described.get("headers", {}), response.headers)
        if not response.content:
            assert response.request.method == "HEAD" or "content" not in described, f"{name} has no body"
            return
        media_type = response.headers["content-type"].partition(";")[0]
        content = described.get("content", {}).get(media_type)
        assert content is not None, f"{name} is {media_type}, which is not in the document"
        value = response.json() if media_type.endswith("json") else response.text
        self._validate((*key, str(response.status_code), media_type), content["schema"], value)

    def _check_elsewhere(self, response: httpx2.Response) -> None:
        """Check a request that names no call: a refusal is a problem even there."""
        if response.status_code < 400 or response.request.method == "HEAD":
            return
        problem = response.json()
        assert response.headers["content-type"] == PROBLEM
        assert PROBLEMS[problem["code"]].status == response.status_code == problem["status"]
        self._validate(("problem",), {"$ref": "#/components/schemas/Problem"}, problem)

    def _check_headers(self, name: str, described: Json, given: Mapping[str, str]) -> None:
        known = {header.lower(): self.follow(each) for header, each in described.items()}
        for header, value in given.items():
            if header.lower() in known:
                self._validate(("header", header.lower()), known[header.lower()]["schema"], value)
            else:
                assert UNDESCRIBED_HEADERS.fullmatch(header.lower()), f"{name} has the header {header}"
        needed = {header for header, each in known.items() if each.get("required")}
        assert needed <= {header.lower() for header in given}, f"{name} lacks {needed - set(given)}"

    def _validate(self, key: tuple[str, ...], schema: Json, value: object) -> None:
        if key not in self._validators:
            self._validators[key] = validator(schema, self._schemas)
        error = next(self._validators[key].iter_errors(value), None)
        assert error is None, f"{' '.join(key)}: {error}"

    def follow(self, value: Json) -> Json:
        """Follow a reference, if it is one."""
        if "$ref" not in value:
            return value
        found: Json = self.document
        for step in value["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return found

    def _find_path(self, path: str) -> str | None:
        return next((name for name, pattern in self._patterns.items() if pattern.fullmatch(path)), None)


class SocketContract:
    """The AsyncAPI document, asked whether a frame is one that it allows."""

    def __init__(self, document: Json) -> None:
        channel = document["channels"]["stream"]
        self.close_codes = {each["code"] for each in channel["x-close-codes"]}
        self.handshake_codes = {each["code"] for each in channel["x-handshake-refusals"]}
        schemas = strict_schemas(document)
        self._validators = {
            name: validator(message["payload"], schemas) for name, message in document["components"]["messages"].items()
        }
        self._problems = {
            name.removeprefix("receive."): set(operation.get("x-problem-codes", ()))
            for name, operation in document["operations"].items()
        }

    def check_received(self, frame: Json, pushed: Json | None) -> None:
        """Check what the service writes; ``pushed`` is the frame to which it is the answer, if any.

        What was done is of the form that the document asks for; what was refused is so with a code that it tells.
        """
        self._check(f"server.{frame['op']}", frame)
        if pushed is None:
            return
        if frame["op"] == "ok":
            self._check(f"client.{pushed['op']}", pushed)
        elif frame["op"] == "error" and pushed["op"] in self._problems:
            assert frame["problem"]["code"] in self._problems[pushed["op"]], f"{pushed['op']} got {frame}"

    def check_closed(self, code: int) -> None:
        """Check how the service ended it; 1006 is what a client sees that is cut off."""
        assert code == CUT_OFF or code in self.close_codes, code

    def _check(self, name: str, frame: Json) -> None:
        error = next(self._validators[name].iter_errors(frame), None)
        assert error is None, f"{name} {frame}: {error}"


def strict_schemas(document: Json) -> Json:
    """Take a document's schemas, so that what is not described does not fit: clients would ignore it, we do not."""
    schemas: Json = deepcopy(document["components"]["schemas"])
    for schema in schemas.values():
        if schema.get("type") == "object":
            schema["additionalProperties"] = False
    return schemas


def validator(schema: Json, schemas: Json) -> jsonschema_rs.Validator:
    """Make a validator of one schema, which may refer to the components."""
    return jsonschema_rs.Draft202012Validator({**schema, "components": {"schemas": schemas}}, validate_formats=True)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))


CONTRACT = Contract(create_document(ROUTES))
SOCKET = SocketContract(describe_socket())
