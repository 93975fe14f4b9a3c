from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from plotbot.ask.transport.prompts import messages, prompt_hash
from plotbot.fingerprint import Fingerprint
from plotbot.judge import compile_schema, judge, validate_entry
from plotbot.judge.explanations import headline
from plotbot.measure.metrics import measure_run
from plotbot.records import Attempt, Case, Exchange, Fault, ItemResult, PlannedItem, Reply, RunRecords, Title
from plotbot.report.page import PageRun
from plotbot.safe import digest, slug

DATA = Path(__file__).parents[3] / "data"
PROMPT = (DATA / "prompt.txt").read_text(encoding="utf-8")
RAW_SCHEMA = json.loads((DATA / "story_seed.schema.json").read_text(encoding="utf-8"))
SCHEMA = compile_schema(RAW_SCHEMA, "story_seed.schema.json")
HASH = prompt_hash(PROMPT, RAW_SCHEMA, "none")
HEADLINES = [one["title"] for one in json.loads((DATA / "titles_index.json").read_text(encoding="utf-8")).values()]
WORDS = (
    "harbor", "clerk", "goose", "ladder", "winter", "mayor", "letter", "apology", "orchestra", "ferry",
    "lantern", "ballot", "widow", "recipe", "archive", "bicycle", "choir", "flood", "island", "kettle",
    "museum", "parade", "quarrel", "ribbon", "sermon", "ticket", "umbrella", "verdict",
)  # fmt: skip
FAULTS = ("no_tone", "bad_enum", "long", "no_hooks", "fenced", "prose", "not_json", "torn", "empty", "placeholder")


@dataclass(slots=True)
class MadeRun:
    """A run that was never run, with replies that the real judge has judged."""

    titles: Sequence[Title]
    models: Sequence[tuple[str, float]]
    repeats: int = 1
    stop_after: int | None = None
    hosts: Sequence[Mapping[str, Any]] = ({"host": "127.0.0.1:1234"},)
    name: str = "20261122-160414-4113"
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    cases: dict[str, Case] = field(default_factory=dict)
    items: list[PlannedItem] = field(default_factory=list)
    exchanges: dict[str, Exchange] = field(default_factory=dict)
    results: dict[str, ItemResult] = field(default_factory=dict)

    def page_run(self) -> PageRun:
        for speed, (model, good) in enumerate(self.models, start=1):
            for title in self.titles:
                for repeat in range(1, self.repeats + 1):
                    self._ask(model, good, speed, title, repeat)
        header = {"plotbot": "0.1.0", "started": "2026-11-22T16:04:17+00:00", "sample_seed": 5}
        bare = {case: replace(exchange, raw=b"") for case, exchange in self.exchanges.items()}
        records = RunRecords(self.name, header, self.cases, tuple(self.items), bare, self.results)
        return PageRun(records, measure_run(records), self.exchanges.values(), conversation)

    def _ask(self, model: str, good: float, speed: int, title: Title, repeat: int) -> None:
        identity = digest(f"{model}\n{title.id}\n{repeat}", 16)
        name = f"{slug(model)}-{slug(title.id)}-{identity[:6]}-r{repeat}"
        case = Case(identity, name, model, title, HASH, "none", repeat, repeat * 17)
        item = f"evals/test_story_seeds.py::test_story_seed[{name}]"
        self.cases[identity] = case
        self.items.append(PlannedItem(item, identity))
        if self.stop_after is not None and len(self.items) > self.stop_after:
            return
        exchange = self._exchange(case, good, speed)
        self.exchanges[identity] = exchange
        self.results[item] = judged(item, case, exchange)

    def _exchange(self, case: Case, good: float, speed: int) -> Exchange:
        seconds = round(self.chance.lognormvariate(0.2 * speed, 0.35), 3)
        at = "2026-11-22T16:04:17.640+00:00"
        served = {"server": "lmstudio", "model": case.model, "quantization": "Q4_K_M", "slots": 4}
        host, served = self._host(served)
        facts: dict[str, Any] = {
            "params": {"temperature": 0.8, "top_p": 0.95, "max_tokens": 1024, "seed": case.seed},
            "fingerprint": Fingerprint.from_json(served),
        }
        if self.chance.random() < 0.01:
            fault = Fault("timeout", "no whole answer within 90 s: raise REQUEST_TIMEOUT")
            attempts = tuple(Attempt(at, 90.0, None, fault, host) for _ in range(3))
            return Exchange(case.id, case.model, at, 90.0, attempts, fault=fault, **facts)
        content = said(case.title.text, self.chance, None if self.chance.random() < good else self._fault())
        tokens = len(content) // 4
        reply = Reply(content, "", "stop", case.model, 296, tokens, round(tokens / seconds * 1.1, 2))
        return Exchange(case.id, case.model, at, seconds, (Attempt(at, seconds, 200, None, host),), reply, **facts)

    def _host(self, served: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """The host whose turn it is, and what it serves."""
        told = {**served, **self.hosts[len(self.items) % len(self.hosts)]}
        return told.pop("host"), told

    def _fault(self) -> str:
        return self.chance.choices(FAULTS, weights=(9, 7, 6, 4, 14, 5, 2, 2, 1, 3))[0]


def conversation(case: Case) -> Sequence[dict[str, str]]:
    return messages(PROMPT, case.title.text, RAW_SCHEMA)


def judged(item: str, case: Case, exchange: Exchange) -> ItemResult:
    if exchange.reply is None:
        assert exchange.fault is not None
        return ItemResult(case.id, item, "error", exchange.fault.category, exchange.fault.message, phase="setup")
    verdict = judge(exchange.reply, SCHEMA, case.title, check=validate_entry)
    message = "" if verdict.ok else headline(verdict)
    outcome = "passed" if verdict.ok else "failed"
    return ItemResult(
        case.id, item, outcome, verdict.category, message, verdict.violations, verdict.findings, verdict.recoverable,
        kept=verdict.ok, seconds=0.012, verdict=verdict.category, expected=verdict.expected, came=verdict.came,
        where=verdict.where,
    )  # fmt: skip


def said(title: str, chance: random.Random, fault: str | None) -> str:
    seed = {
        "title": title,
        "core_event": f"When the news breaks, {prose(chance, 12)} and nobody in town can say who began it.",
        "themes": chance.sample(WORDS, 2),
        "tone": "wry and warm",
        "conflict_type": chance.choice(["person vs self", "person vs society"]),
        "stakes": f"a friendship of forty years and {prose(chance, 3)}",
        "setting_hint": f"a {prose(chance, 2)} in late autumn",
        "characters": [f"a retired {prose(chance, 1)} keeper", f"the {prose(chance, 2)} inspector"],
        "potential_story_hooks": [
            f"Who had the {prose(chance, 2)} that night?",
            f"Why did the {prose(chance, 2)} stay?",
        ],
    }
    return spoiled(seed, fault)


def spoiled(seed: dict[str, Any], fault: str | None) -> str:
    changes: dict[str, dict[str, Any]] = {
        "bad_enum": {"conflict_type": "person vs geese"},
        "long": {"themes": ["x"] * 7, "tone": "wry " * 30},
        "no_hooks": {"potential_story_hooks": ["Why?"]},
        "placeholder": {"core_event": "what happens, in at most 50 words"},
    }
    seed.update(changes.get(fault or "", {}))
    if fault == "no_tone":
        del seed["tone"]
    text = json.dumps([seed], ensure_ascii=False, indent=1)
    whole = {
        "fenced": f"```json\n{text}\n```",
        "prose": f"Here is your story seed:\n\n{text}\n\nI hope this helps!",
        "not_json": "I'm sorry, I cannot write about that headline.",
        "torn": text[: len(text) // 2],
        "empty": "",
    }
    return whole.get(fault or "", text)


def prose(chance: random.Random, words: int) -> str:
    return " ".join(chance.choice(WORDS) for _ in range(words))


@pytest.fixture(scope="session")
def make_titles() -> Callable[[int], list[Title]]:
    """So many headlines, all different."""

    def make(count: int) -> list[Title]:
        chance = random.Random(3)
        real = [Title(digest(f"{number}", 10), text) for number, text in enumerate(HEADLINES[:count])]
        return real + [
            Title(digest(f"{number}", 10), f"{prose(chance, 3).title()} {number}: {prose(chance, 5)}")
            for number in range(len(real), count)
        ]

    return make


@pytest.fixture(scope="session")
def make_run(make_titles: Callable[[int], list[Title]]) -> Callable[..., PageRun]:
    """A run of so many titles and these models, `(id, share of good answers)`; or of titles of one's own."""

    def make(titles: int | Sequence[Title], models: Sequence[tuple[str, float]], **more: Any) -> PageRun:
        return MadeRun(make_titles(titles) if isinstance(titles, int) else titles, models, **more).page_run()

    return make
