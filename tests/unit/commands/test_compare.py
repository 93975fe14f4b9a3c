"""A comparison is the same sentence, to the digit, in the terminal, summary.md, index.html and `plotbot compare`."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Make = Callable[..., Any]
OUTCOMES = {"passed": "ok", "failed": "schema", "error": "timeout"}


def _flat(text: str) -> str:
    return " ".join(text.replace("`", "").split())


def _rows(draw: random.Random, row: Make, model: str, variant: str, titles: int, repeats: int) -> list[Any]:
    good = draw.uniform(0.2, 1.0)
    rows = []
    for title in range(titles):
        # Titles differ in how hard they are, so that the answers to one are not independent.
        chance = min(good * draw.uniform(0.5, 1.5), 1.0)
        for repeat in range(1, repeats + 1):
            outcome = "error" if draw.random() < 0.08 else "passed" if draw.random() < chance else "failed"
            said = None if outcome == "error" else "[]"
            more = {"said": said, "outcome": outcome, "category": OUTCOMES[outcome], "kept": False}
            rows.append(row(f"t{title:03}", model=model, variant=variant, repeat=repeat, **more))
    return rows


@pytest.mark.parametrize("seed", range(30))
def test_four_places_say_the_same_sentence(
    plotbot: Make, project: Path, runs_dir: Path, row: Make, write_run: Make, seed: int
) -> None:
    draw = random.Random(seed)
    titles, repeats = draw.randrange(3, 60), draw.choice([1, 1, 2, 3])
    pairs = [(("a/first", ""), ("second", "")), (("m", "free"), ("m", "json"))]
    rivals = draw.choice(pairs)
    rows = [one for model, variant in rivals for one in _rows(draw, row, model, variant, titles, repeats)]
    variants = [{"name": variant} for _, variant in rivals if variant]
    write_run(runs_dir, *rows, models=list(dict.fromkeys(model for model, _ in rivals)), variants=variants)
    terminal = _flat(plotbot("report", "last").out)
    labels = [f"{model} {variant}".strip() for model, variant in rivals]
    either = f"(?:{'|'.join(map(re.escape, labels))})"
    sentence = rf"{either} \([\d.]+%\) (?:is better than|and) {either} \([\d.]+%\)[^(]*\(p[^)]*\)\."
    found = re.findall(sentence, terminal)
    assert len(found) == 1, terminal
    assert found == re.findall(sentence, _flat((project / "reports" / "summary.md").read_text(encoding="utf-8")))
    page = (project / "reports" / "index.html").read_text(encoding="utf-8")
    index = re.search(r'<script type="application/json" id="index">(.*?)</script>', page, re.DOTALL)
    assert index is not None
    best = json.loads(index[1])["words"]["best"]
    told = ["".join(part if isinstance(part, str) else part["name"] for part in parts) for parts in best]
    assert found == re.findall(sentence, _flat(" ".join(told)))
    compared = plotbot("compare", "last", "last", "--models", *labels)
    assert found == re.findall(sentence, _flat(compared.out))
