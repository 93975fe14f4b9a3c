from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.chromium import Browser, Page, chromium


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = chromium()
    if program is None:
        pytest.skip("no Chromium to drive over a pipe")
    running = Browser(program, tmp_path_factory.mktemp("profile"))
    yield running
    running.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.open_page()
    opened.size(1280, 900)
    yield opened
    opened.close()
