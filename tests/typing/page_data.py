"""Data as Python writes it into the pages, for TypeScript to hold against `plotbot/report/page/types.d.ts`."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from plotbot.measure.stopping import judge_run
from plotbot.records import Title
from plotbot.report.page import write_page
from tests.system.page.chromium.gallery import make_gallery
from tests.system.page.conftest import MadeRun

_DATA = re.compile(rb'<script type="application/(json|octet-stream)" id="([\w-]+)">(.*?)</script>', re.DOTALL)


def typed_data(folder: Path) -> str:
    """A module of TypeScript in which the data of every page have the types that its scripts take them for.

    *folder* is empty: a project with real runs is made there.
    """
    pages = {name: path.read_bytes() for name, path in make_gallery(folder).pages.items()} | {"gates": _gated()}
    typed = [pair for page, document in pages.items() for pair in _typed(page, _data_of(document))]
    return "".join(
        f"export const data_{number}: {kind} = {json.dumps(value, indent=1)};\n"
        for number, (kind, value) in enumerate(typed)
    )


def _typed(page: str, data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if name == "index":
            yield "HistoryIndex" if page == "history" else "PageIndex", value
        else:
            yield {"data": "LabelData", "texts": "string[]"}.get(name, "Payload[]"), value


def _data_of(document: bytes) -> dict[str, Any]:
    """The data of a page by the id of its element."""
    return {
        name.decode(): json.loads(text if kind == b"json" else zlib.decompress(base64.b64decode(text)))
        for kind, name, text in _DATA.findall(document)
    }


def _gated() -> bytes:
    """The page of a run at two hosts that a sequential gate has looked at, and of one that has not come to its end."""
    titles = [Title(f"t{number}", f"Title {number}") for number in range(40)]
    hosts: list[dict[str, Any]] = [{"host": "127.0.0.1:1234"}, {"host": "127.0.0.1:1235", "slots": 2}]
    run = MadeRun(titles, (("alpha", 0.5), ("beta", 0.9)), repeats=2, hosts=hosts).page_run()
    metrics, gates = judge_run(run.records, {"*": 0.8}, "sequential", 20)
    stopped = MadeRun(titles, (("alpha", 0.5),), stop_after=20, name="20261123-160414-4113").page_run()
    return write_page([replace(run, metrics=metrics, gates=gates), stopped], "now")
