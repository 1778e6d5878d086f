"""``/docs``: the OpenAPI document as one HTML page without scripts; its only style is allowed by its hash."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

from sanctum_messaging.api.calls import send_body
from sanctum_messaging.api.docs.markup import Markup, render, render_text, tag
from sanctum_messaging.api.docs.operation import anchor, render_operation
from sanctum_messaging.api.docs.references import follow_references
from sanctum_messaging.api.docs.schema import render_schema
from sanctum_messaging.protocol.codes import FIELD_CODES, PROBLEMS

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from sanctum_messaging.api.openapi.schemas import Json


class DocsPage:
    """The page, rendered once."""

    def __init__(self, document: Json) -> None:
        """Render a document."""
        style = files(__package__).joinpath("docs.css").read_text("utf-8")
        digest = b64encode(sha256(style.encode()).digest()).decode()
        self._body = render_page(document, style).encode()
        self._headers = (
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-security-policy", _policy(digest).encode()),
            (b"referrer-policy", b"no-referrer"),
        )

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Serve it."""
        await send_body(scope, send, status=200, body=self._body, headers=self._headers)


def render_page(document: Json, style: str) -> str:
    """Render the whole page."""
    document = follow_references(document)
    info = document["info"]
    head = Markup(
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{tag('title', info['title'] + ' API')}<style>{style}</style>"
    )
    parts = [_header(info), *_sections(document), _schemas(document), _codes()]
    body = tag("nav", _contents(document)) + tag("main", Markup("".join(parts)))
    return f'<!doctype html><html lang="en">{tag("head", head)}{tag("body", body)}</html>'


def _policy(style_digest: str) -> str:
    return (
        f"default-src 'none'; style-src 'sha256-{style_digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def _header(info: Json) -> Markup:
    files = '<a href="/openapi.json">openapi.json</a> <a href="/asyncapi.json">asyncapi.json</a>'
    raw = tag("p", Markup(files))
    title = tag("h1", Markup(f"{tag('span', info['title'])} {tag('small', info['version'])}"))
    return tag("header", title + render_text(info["description"]) + raw)


def _contents(document: Json) -> Markup:
    entries = []
    for section in document["tags"]:
        links = [
            tag(
                "li",
                tag(
                    "a",
                    tag("b", method.upper(), method) + " " + tag("span", _breakable(path)),
                    href=f"#{anchor(operation)}",
                ),
            )
            for path, method, operation in _operations(document, section["name"])
        ]
        entries.append(tag("h2", section["name"]) + tag("ul", Markup("".join(links))))
    entries.append(Markup('<h2>reference</h2><ul><li><a href="#schemas">Schemas</a></li>'))
    entries.append(Markup('<li><a href="#codes">Codes</a></li></ul>'))
    return Markup("".join(entries))


def _breakable(path: str) -> Markup:
    """Let a path go on in the next line behind a slash, and nowhere else."""
    return Markup("/<wbr>".join(render(segment) for segment in path.split("/")))


def _sections(document: Json) -> list[Markup]:
    sections = []
    for section in document["tags"]:
        rendered = [
            render_operation(path, method, operation)
            for path, method, operation in _operations(document, section["name"])
        ]
        heading = tag("h2", section["name"]) + render_text(section["description"])
        sections.append(tag("section", heading + Markup("".join(rendered))))
    return sections


def _operations(document: Json, name: str) -> list[tuple[str, str, Json]]:
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if name in operation["tags"]
    ]


def _schemas(document: Json) -> Markup:
    schemas = document["components"]["schemas"]
    rendered = [render_schema(name, schema) for name, schema in schemas.items()]
    return tag("section", tag("h2", "Schemas", id="schemas") + Markup("".join(rendered)))


def _codes() -> Markup:
    problems = [
        tag("tr", tag("td", tag("code", code)) + tag("td", str(kind.status)) + tag("td", kind.title))
        for code, kind in PROBLEMS.items()
    ]
    fields = [tag("tr", tag("td", tag("code", code)) + tag("td", meaning)) for code, meaning in FIELD_CODES.items()]
    return tag(
        "section",
        tag("h2", "Codes", id="codes")
        + tag("h3", "Problems")
        + tag("table", Markup("".join(problems)))
        + tag("h3", "Fields at fault")
        + tag("table", Markup("".join(fields))),
    )
