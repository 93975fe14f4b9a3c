"""The page of a run leads to its models' own pages, where they are, and nowhere else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import unquote

import pytest

from plotbot.commands import main
from plotbot.mock import MockServer, ModelSpec
from plotbot.run.artifacts import page_name

pytest_plugins = ("pytester",)

NAMES = ("plain", "index", "history", "../../x", '"><img src=x onerror=alert(1)>', "javascript:alert(1)", "__proto__")

Evals = Callable[..., pytest.RunResult]
Mock = Callable[..., MockServer]


def links_of(page: Path) -> list[str]:
    """The models' pages that a page leads to, after every address in it was seen to exist."""
    source = page.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="index">(.*?)</script>', source, re.DOTALL)
    assert found is not None
    models: list[str] = [link for link in json.loads(found[1])["model_pages"] if link]
    addresses = [link for link in re.findall(r'href="([^"#]+)"', source) if not link.startswith("data:")]
    missing = [link for link in [*models, *addresses] if not (page.parent / unquote(link)).is_file()]
    assert missing == []
    return models


def own_pages(project: Path) -> Sequence[Path]:
    return sorted((project / "data" / "runs").glob("*/index.html"))


@pytest.mark.parametrize("more", [(), ("-n", "2")], ids=["one process", "workers"])
def test_every_model_of_a_run_has_a_link_to_its_page(
    evals: Evals, start_mock: Mock, project: Path, more: tuple[str, ...]
) -> None:
    server = start_mock(models=tuple(ModelSpec(name) for name in NAMES))
    evals(server, "--test-sample-size=1", *(f"--model={name}" for name in NAMES), *more)
    assert links_of(project / "reports" / "index.html") == [page_name(name) for name in NAMES]
    assert [links_of(page) for page in own_pages(project)] == [[]]


def test_no_link_is_dead_without_pages_after_a_report_elsewhere_and_after_another_run(
    evals: Evals, start_mock: Mock, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    server, page = start_mock(), project / "reports" / "index.html"
    evals(server, "--note=its own name")
    assert links_of(page) == ["mock-model.html"]
    assert main(["report", "last"]) == 0
    assert links_of(page) == ["mock-model.html"], "the run's own page is still there"
    assert main(["report", "last", "--report-dir=elsewhere"]) == 0
    assert links_of(project / "elsewhere" / "index.html") == []
    evals(server, "-p", "no:html")
    assert links_of(page) == []
    assert [links_of(own) for own in own_pages(project)] == [[], []]
