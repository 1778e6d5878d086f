"""Tells which changes of the API's documents break a client that was written for the older one.

A request that was good must stay good, and an answer must hold what it held. What is only added breaks nobody: clients
ignore what they do not know. ``docs/generate.py`` and a test compare what the code says with the files kept here.
"""  # noqa: INP001 - a folder of texts and scripts is no package

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docs.breaking_schemas import Differences, Direction

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]


def find_breaking(old: Json, new: Json) -> list[str]:
    """List what a client of the old document would stumble over, a sentence each; both are of the same kind."""
    compare = _compare_socket if "asyncapi" in old else _compare_calls
    return list(dict.fromkeys(compare(Differences(old, new))))


def _compare_calls(differences: Differences) -> Iterator[str]:
    new_paths = differences.new["paths"]
    for path, operations in differences.old["paths"].items():
        for method, old in operations.items():
            where = f"{method.upper()} {path}"
            new = new_paths.get(path, {}).get(method)
            if new is None:
                yield f"{where} is gone"
                continue
            yield from _compare_parameters(differences, where, old, new)
            yield from _compare_bodies(differences, where, old, new)
            yield from _compare_answers(differences, where, old, new)


def _compare_parameters(differences: Differences, where: str, old: Json, new: Json) -> Iterator[str]:
    before = {each["name"]: each for each in map(differences.follow_old, old.get("parameters", []))}
    after = {each["name"]: each for each in map(differences.follow_new, new.get("parameters", []))}
    for name, each in after.items():
        if each["required"] and not before.get(name, {}).get("required"):
            yield f"{where} needs the parameter {name}"
    for name, each in before.items():
        if name not in after:
            yield f"{where} no longer takes the parameter {name}"
            continue
        yield from differences.find(
            each["schema"], after[name]["schema"], f"{where}, parameter {name}", Direction.REQUEST
        )


def _compare_bodies(differences: Differences, where: str, old: Json, new: Json) -> Iterator[str]:
    before, after = (each.get("requestBody", {}).get("content", {}) for each in (old, new))
    if after and not before:
        yield f"{where} needs a body"
    for media_type, content in before.items():
        if media_type not in after:
            yield f"{where} no longer takes {media_type}"
            continue
        yield from differences.find(content["schema"], after[media_type]["schema"], f"{where}, body", Direction.REQUEST)


def _compare_answers(differences: Differences, where: str, old: Json, new: Json) -> Iterator[str]:
    for status, answer in old["responses"].items():
        if status not in new["responses"]:
            yield f"{where} no longer answers {status}"
            continue
        before, after = differences.follow_old(answer), differences.follow_new(new["responses"][status])
        gone = before.get("headers", {}).keys() - after.get("headers", {}).keys()
        yield from (f"{where} {status} lost the header {name}" for name in sorted(gone))
        for media_type, content in before.get("content", {}).items():
            other = after.get("content", {}).get(media_type)
            if other is None:
                yield f"{where} {status} is no longer {media_type}"
            else:
                yield from differences.find(content["schema"], other["schema"], f"{where} {status}", Direction.ANSWER)


def _compare_socket(differences: Differences) -> Iterator[str]:
    old, new = differences.old, differences.new
    for name, operation in old["operations"].items():
        if name not in new["operations"]:
            yield f"the operation {name} is gone"
            continue
        lost = set(operation.get("x-problem-codes", ())) - set(new["operations"][name].get("x-problem-codes", ()))
        yield from (f"{name} is no longer refused with {code}" for code in sorted(lost))
    messages = new["components"]["messages"]
    for name, message in old["components"]["messages"].items():
        if name not in messages:
            yield f"the frame {name} is gone"
            continue
        direction = Direction.REQUEST if name.startswith("client.") else Direction.ANSWER
        yield from differences.find(message["payload"], messages[name]["payload"], f"the frame {name}", direction)
    yield from _compare_close_codes(old["channels"]["stream"], new["channels"]["stream"])


def _compare_close_codes(old: Json, new: Json) -> Iterator[str]:
    after = {each["code"]: each["reconnects"] for each in new["x-close-codes"]}
    for each in old["x-close-codes"]:
        if after.get(each["code"]) != each["reconnects"]:
            yield f"the close code {each['code']} is gone, or asks for something else"
    if old["address"] != new["address"]:
        yield "the socket has another address"
