"""What a run leaves behind for people and programs: its summary, a page for each model, the page that compares them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plotbot.ask.transport.prompts import Conversations, Message
from plotbot.keep.filesystem import write_atomically
from plotbot.measure.gate import GateResult
from plotbot.measure.metrics import ModelMetrics
from plotbot.plugin.pytest_html import HtmlPages
from plotbot.records import Case
from plotbot.report.markdown import summary_markdown
from plotbot.report.names import COMPARISON, MARKDOWN
from plotbot.report.page import PageRun, write_page
from plotbot.report.summary import summarise
from plotbot.run.recorder import Recorder
from plotbot.run.session import MainRun


@dataclass(frozen=True, slots=True)
class Written:
    """One run's numbers, on their way to files. Each method gives paths by what they are, for the terminal."""

    run: MainRun
    recorder: Recorder
    metrics: Sequence[ModelMetrics]
    gates: Sequence[GateResult]
    conversations: Conversations = field(default_factory=Conversations)

    def summary(self, status: int, more: dict[str, Any]) -> dict[str, str]:
        """`summary.json` in the run's folder. Raises `KeepError`."""
        folder = self.recorder.folder
        summary = summarise(self.recorder.records(), self.metrics, self.gates, status) | more
        folder.write_json(folder.summary, summary, self.run.disk)
        return {"answers": self._short(self.run.settings.generated_dir), "run": self._short(folder.path)}

    def reports(self, pages: HtmlPages, compared: Sequence[str]) -> dict[str, str]:
        """The pages and the Markdown summary. Raises `OSError` or `KeepError`."""
        folder = self.run.settings.report_dir
        folder.mkdir(parents=True, exist_ok=True)
        written = pages.finish(self.metrics, self._facts())
        markdown = summary_markdown(self.recorder.records(), self.metrics, self.gates, compared)
        write_atomically(folder / MARKDOWN, markdown.encode(), self.run.disk)
        write_atomically(folder / COMPARISON, self._comparison(), self.run.disk)
        return {"reports": ", ".join(self._short(page) for page in (folder / COMPARISON, *written))}

    def _comparison(self) -> bytes:
        page = PageRun(self.recorder.records(), self.metrics, self.recorder.exchanges(), self._conversation, self.gates)
        return write_page([page], datetime.now(UTC).isoformat(timespec="seconds"))

    def _conversation(self, case: Case) -> list[Message]:
        return self.conversations.about(self.recorder.questions[case.prompt_hash], case.title.text)

    def _facts(self) -> dict[str, object]:
        header = self.recorder.header
        servers = [f"{one['kind']} {one['version'] or ''} at {one['url']}" for one in header["servers"]]
        return {
            "run": self.recorder.folder.run_id,
            "sample seed": header["sample_seed"],
            "server": ", ".join(servers),
            "parameters": ", ".join(f"{name} {value}" for name, value in header["params"].items()),
        }

    def _short(self, path: Path) -> str:
        """Relative to the project, where that is shorter to read."""
        root = self.run.settings.root
        return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
