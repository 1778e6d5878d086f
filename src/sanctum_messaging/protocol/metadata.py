"""``metadata``: a JSON object of the caller's own, kept and returned byte for byte."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from sanctum_messaging.protocol.decoding import FieldFaultsError, NotJSONError
from sanctum_messaging.protocol.scalars import MAX_METADATA_BYTES, MAX_METADATA_DEPTH

NO_METADATA = "{}"
"""The metadata of what was created without."""


def read_metadata(raw: Raw | msgspec.UnsetType, field: str = "metadata") -> str:
    """Check metadata for form and return its text as it was sent; the default where it is absent.

    U+0000 in it is found by ``StrictDecoder``, which sees the whole document.

    Raises:
        NotJSONError: it is not UTF-8.
        FieldFaultsError: ``type`` (no object), ``too_long``, ``too_deep`` or ``too_large`` (a number beyond a double).
    """
    if isinstance(raw, msgspec.UnsetType):
        return NO_METADATA
    data = bytes(raw)
    if data == b"{}":
        return NO_METADATA
    code = _find_fault(data)
    if code is not None:
        raise FieldFaultsError.of_field(field, code)
    return data.decode()


def read_metadata_patch(raw: Raw, field: str = "metadata") -> str | None:
    """Check a merge patch of metadata; none where it is ``null``, which takes everything away.

    Raises:
        NotJSONError: it is not UTF-8.
        FieldFaultsError: as for metadata itself.
    """
    return None if bytes(raw) == b"null" else read_metadata(raw, field)


def merge_metadata(stored: str, patch: str | None) -> str:
    """Apply a JSON merge patch (RFC 7396); what comes out is written anew, so its bytes may differ from what was sent.

    Raises:
        FieldFaultsError: the result is too long or too deep.
    """
    if patch is None:
        return NO_METADATA
    merged = msgspec.json.encode(_merge(msgspec.json.decode(stored), msgspec.json.decode(patch)))
    return read_metadata(Raw(merged))


def _find_fault(data: bytes) -> str | None:
    if not data.startswith(b"{"):
        return "type"
    if len(data) > MAX_METADATA_BYTES:
        return "too_long"
    try:
        value = msgspec.json.decode(data)
    except msgspec.ValidationError:
        return "too_large"
    except RecursionError:
        # What decoded the document around it skipped over it with a little more of the stack left.
        return "too_deep"
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NotJSONError from None
    return "too_deep" if _is_deeper(value, MAX_METADATA_DEPTH) else None


def _is_deeper(value: object, levels: int) -> bool:
    """Tell whether containers are nested in more levels; the decoder bounds how deep this can get."""
    match value:
        case dict():
            inside = value.values()
        case list():
            return levels == 0 or any(_is_deeper(each, levels - 1) for each in value)
        case _:
            return False
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in inside)


def _merge(target: object, patch: Any) -> object:  # noqa: ANN401 - JSON has no narrower type
    if not isinstance(patch, dict):
        return patch
    merged: dict[str, object] = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge(merged.get(name), value)
    return merged
