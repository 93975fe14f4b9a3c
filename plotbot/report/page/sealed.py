"""A page as one HTML document with its data, its style and its script, and a policy that allows nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib import resources

from plotbot.report.page.payloads import ascii_json

_SLOT = re.compile(r"\{\{(\w+)\}\}")
_JSDOC = re.compile(r"^[ \t]*/\*\*(?:[^*]|\*(?!/))*\*/[ \t]*\n", re.MULTILINE)
_MARKUP = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def sealed_page(template: str, styles: Sequence[str], scripts: Sequence[str], slots: Mapping[str, str]) -> bytes:
    """The bytes of a page from the files of this folder: its HTML, with *slots* filled, styles and scripts."""
    style, script = "\n".join(map(_read, styles)), _JSDOC.sub("", script_of(scripts))
    filled = {"policy": _policy(style, script), "style": style, "script": script, **slots}
    return _SLOT.sub(lambda match: filled[match[1]], _read(template)).encode("utf-8")


def inert(value: object) -> str:
    """JSON in which no HTML parser can find an end tag, a comment or an entity."""
    return re.sub("[<>&]", lambda match: _MARKUP[match[0]], ascii_json(value))


def script_of(names: Sequence[str]) -> str:
    """All scripts as one, in its own scope."""
    body = "\n".join(_read(f"{name}.js") for name in names)
    # Asynchronous, because a large index has to be unpacked first.
    return f'(async () => {{\n"use strict";\n{body}\n}})();\n'


def _policy(style: str, script: str) -> str:
    allowed = f"script-src {_hash(script)}; style-src {_hash(style)}"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
