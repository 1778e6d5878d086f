"""What is wrong with a decoded JSON value, field by field.

msgspec stops at the first fault and tells it in a sentence meant for people. This walks the type beside the value
instead and names every field with a code of ``codes.FIELD_CODES``. It runs only once something was refused, so it may
be slow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from msgspec import inspect

from sanctum_messaging.protocol.resources import FieldProblem
from sanctum_messaging.protocol.scalars import MAX_METADATA_DEPTH

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_FAULTS = 20
"""Faults told at once; more help nobody, and a hostile body must not make a long answer."""
MAX_NAME_CHARACTERS = 64
"""How much of an unknown field's name is repeated to who sent it."""


def find_faults(wanted: type, value: object) -> list[FieldProblem]:
    """List the faults of a value that should be of the wanted type, at most ``MAX_FAULTS``; none if it fits.

    The path of a fault is written ``participants[0].role``; that of the value itself is empty.
    """
    return list(islice(_walk(_type_of(wanted), value, ""), MAX_FAULTS))


@lru_cache(maxsize=64)
def _type_of(wanted: type) -> inspect.Type:
    return inspect.type_info(wanted)


def _walk(wanted: inspect.Type, value: object, path: str) -> Iterator[FieldProblem]:
    match wanted:
        case inspect.Metadata():
            yield from _walk(wanted.type, value, path)
        case inspect.UnionType():
            yield from _walk_union(wanted, value, path)
        case inspect.StructType():
            yield from _walk_struct(wanted, value, path)
        case inspect.ListType():
            yield from _walk_list(wanted, value, path)
        case inspect.RawType() | inspect.AnyType():
            yield from _walk_texts(value, path, MAX_METADATA_DEPTH)
        case _:
            code = _find_scalar_fault(wanted, value)
            if code is not None:
                yield FieldProblem(field=path, code=code)


def _walk_union(wanted: inspect.UnionType, value: object, path: str) -> Iterator[FieldProblem]:
    if value is None and wanted.includes_none:
        return
    (only, *_) = (each for each in wanted.types if not isinstance(each, inspect.NoneType))
    yield from _walk(only, value, path)


def _walk_struct(wanted: inspect.StructType, value: object, path: str) -> Iterator[FieldProblem]:
    if not isinstance(value, Mapping):
        yield FieldProblem(field=path, code="type")
        return
    known = {field.encode_name: field for field in wanted.fields}
    for name, field in known.items():
        if name in value:
            yield from _walk(field.type, value[name], _join(path, name))
        elif field.required:
            yield FieldProblem(field=_join(path, name), code="missing")
    if wanted.forbid_unknown_fields:
        for name in value:
            if name not in known and name != wanted.tag_field:
                yield FieldProblem(field=_join(path, name), code="unknown")


def _walk_list(wanted: inspect.ListType, value: object, path: str) -> Iterator[FieldProblem]:
    if not isinstance(value, list):
        yield FieldProblem(field=path, code="type")
        return
    code = _find_length_fault(value, wanted.min_length, wanted.max_length)
    if code is not None:
        yield FieldProblem(field=path, code=code)
        return
    for index, item in enumerate(value):
        yield from _walk(wanted.item_type, item, f"{path}[{index}]")


def _walk_texts(value: object, path: str, levels: int) -> Iterator[FieldProblem]:
    """Yield the texts, names of fields included, that no database and no client could hold.

    What is nested in more levels than metadata may have is not looked into: neither the stack nor a path grows with it.
    """
    match value:
        case str():
            code = _find_text_fault(value)
            if code is not None:
                yield FieldProblem(field=path, code=code)
        case list() | dict() if levels == 0:
            yield FieldProblem(field=path, code="too_deep")
        case list():
            for index, item in enumerate(value):
                yield from _walk_texts(item, f"{path}[{index}]", levels - 1)
        case dict():
            for name, item in value.items():
                yield from _walk_texts(name, path, levels)
                yield from _walk_texts(item, _join(path, name), levels - 1)


def _find_scalar_fault(wanted: inspect.Type, value: object) -> str | None:
    match wanted:
        case inspect.StrType():
            return _find_str_fault(wanted, value)
        case inspect.IntType():
            return _find_int_fault(wanted, value)
        case inspect.BoolType():
            return None if isinstance(value, bool) else "type"
        case inspect.LiteralType():
            if not isinstance(value, str):
                return "type"
            return None if value in wanted.values else "not_allowed"
        case _:
            # No field of the wire is of another type.
            return None


def _find_str_fault(wanted: inspect.StrType, value: object) -> str | None:
    if not isinstance(value, str):
        return "type"
    code = _find_text_fault(value) or _find_length_fault(value, wanted.min_length, wanted.max_length)
    if code is None and wanted.pattern is not None and re.search(wanted.pattern, value) is None:
        return "pattern"
    return code


def _find_int_fault(wanted: inspect.IntType, value: object) -> str | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return "type"
    if wanted.ge is not None and value < wanted.ge:
        return "too_small"
    return "too_large" if wanted.le is not None and value > wanted.le else None


def _find_length_fault(value: Sequence[object], shortest: int | None, longest: int | None) -> str | None:
    if shortest is not None and len(value) < shortest:
        return "too_short"
    return "too_long" if longest is not None and len(value) > longest else None


def _find_text_fault(text: str) -> str | None:
    if "\x00" in text:
        return "nul"
    return None if text.isascii() or text.encode("utf-8", "replace").decode() == text else "lone_surrogate"


def _join(path: str, name: str) -> str:
    # A name of the caller's own may hold what can't be encoded.
    shown = name.encode("utf-8", "replace").decode()[:MAX_NAME_CHARACTERS]
    return f"{path}.{shown}" if path else shown
