"""The model's figures: starts the engine, asks it what plotbot asks, judges. `python -m training.measure`."""

from __future__ import annotations

import argparse
import json
import time
import zlib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from plotbot.ask.embedded import EmbeddedEngine
from plotbot.ask.servers.handshake import handshake_messages
from plotbot.ask.transport.prompts import messages
from training import conversation
from training.heldout import heldout_headlines
from training.referee import Finding, judge

DEFAULTS = {"temperature": 0.8, "top_p": 0.95, "top_k": 40, "min_p": 0.05, "repeat_penalty": 1.0, "max_tokens": 1024}
FIRST_SEED = 20261122


@dataclass(frozen=True)
class Answer:
    """One reply with its judgement."""

    title: str
    text: str
    finding: Finding


class Asker:
    """Asks a started engine, several titles at once."""

    def __init__(self, url: str, slots: int) -> None:
        self._url = f"{url}/v1/chat/completions"
        self._slots = slots
        self._prompt = conversation.system_prompt()
        self._schema = conversation.schema()

    def handshake(self) -> str:
        return self._ask(handshake_messages(), {"temperature": 0.0, "seed": 1})[0]

    def answers(self, titles: Sequence[str], temperature: float) -> list[Answer]:
        with ThreadPoolExecutor(self._slots) as pool:
            return list(pool.map(lambda title: self._answer(title, temperature), titles))

    def _answer(self, title: str, temperature: float) -> Answer:
        seed = FIRST_SEED + zlib.crc32(title.encode()) % 1_000_000
        body = DEFAULTS | {"temperature": temperature, "seed": seed}
        text, finish_reason = self._ask(messages(self._prompt, title, self._schema), body)
        if finish_reason.startswith("HTTP"):
            return Answer(title, text, Finding(finish_reason, copied=False))
        return Answer(title, text, judge(text, finish_reason, title, self._schema))

    def _ask(self, conversation_: list[dict[str, str]], body: dict[str, Any]) -> tuple[str, str]:
        reply = requests.post(self._url, json=body | {"messages": conversation_}, timeout=120)
        if not reply.ok:
            return reply.text, f"HTTP {reply.status_code}"
        choice = reply.json()["choices"][0]
        return choice["message"]["content"] or "", choice["finish_reason"]


def title_sets() -> dict[str, list[str]]:
    """The held-out headlines, and the shipped index by script."""
    index = json.loads((conversation.DATA / "titles_index.json").read_text(encoding="utf-8"))
    shipped = [entry["title"] if isinstance(entry, dict) else entry for entry in index.values()]
    return {
        "held out": heldout_headlines(),
        "index, ASCII": [title for title in shipped if title.isascii()],
        "index, not ASCII": [title for title in shipped if not title.isascii()],
    }


def report(name: str, temperature: float, answers: list[Answer], seconds: float) -> dict[str, Any]:
    """One line of the table."""
    valid = sum(answer.finding.valid for answer in answers)
    copied = sum(answer.finding.copied for answer in answers)
    failures = Counter(answer.finding.kind for answer in answers if not answer.finding.valid)
    print(
        f"| {name} | {temperature} | {len(answers)} | {valid} ({valid / len(answers):.1%}) "
        f"| {copied} ({copied / len(answers):.1%}) | {len(answers) / seconds:.1f} | {dict(failures.most_common())} |",
        flush=True,
    )
    return {
        "set": name,
        "temperature": temperature,
        "asked": len(answers),
        "valid": valid,
        "copied": copied,
        "failures": dict(failures),
    }


def main() -> None:
    options = _options()
    kept: list[dict[str, Any]] = []
    with EmbeddedEngine.start(slots=options.slots, model_path=options.model) as engine:
        asker = Asker(engine.url, options.slots)
        print(f"SHA-256 {engine.sha256}\nhandshake: {asker.handshake()!r}\n")
        print("| titles | temperature | asked | valid | title copied | replies/s | failures |")
        print("|---|---|---|---|---|---|---|")
        for name, titles in title_sets().items():
            for temperature in (0.0, DEFAULTS["temperature"]):
                began = time.monotonic()
                answers = asker.answers(titles, temperature)
                row = report(name, temperature, answers, time.monotonic() - began)
                kept.append(row | {"replies": [[a.title, a.finding.kind, a.finding.copied, a.text] for a in answers]})
    if options.replies:
        options.replies.write_text(json.dumps(kept, ensure_ascii=False, indent=1), encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.measure", description="Measure the story-seed model.")
    parser.add_argument("--model", type=Path, help="another GGUF than the packaged one")
    parser.add_argument("--slots", type=int, default=4, help="requests at once")
    parser.add_argument("--replies", type=Path, help="write every reply with its judgement to this JSON file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
