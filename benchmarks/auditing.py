"""How long `plotbot audit` takes for a dataset with planted copies, and how many of them it finds.

    python -m benchmarks.auditing

A tenth of the answers are planted: half of them exact copies with other case and punctuation, half near ones, in which
one word in twenty is another one, or one field is written anew. The others come from one template with a small
vocabulary, as a small model's do.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measuring import options

_WORDS = [first + last for first in ("har", "cle", "goo", "lad", "win", "may", "let", "fer", "lan", "bal", "wid", "rec",
          "arc", "bic", "cho", "flo", "isl", "ket", "mus", "par") for last in ("bor", "rk", "se", "der", "ter", "or",
          "ry", "tern", "lot", "ow", "ipe", "ive", "ycle", "ir", "od", "and")]  # fmt: skip
Seed = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Planted:
    """A dataset: the seeds by title id, and the ids of those that are exact and near copies of an earlier one."""

    seeds: Mapping[str, Seed]
    exact: frozenset[str]
    near: frozenset[str]


@dataclass(frozen=True, slots=True)
class Found:
    """Shares of the planted copies that were found as such, and of all others that were taken for copies."""

    exact: float
    near: float
    false: float


def plant(answers: int, chance: random.Random) -> Planted:
    """A dataset of so many answers, of which a twentieth are exact copies and a twentieth near ones."""
    copies = answers // 20
    originals = [_seed(chance) for _ in range(answers - 2 * copies)]
    exact = [_shouted(one) for one in chance.sample(originals, copies)]
    near = [_edited(one, chance) for one in chance.sample(originals, copies)]
    ids = [f"t{number:05}" for number in range(answers)]
    end = len(originals) + copies
    seeds = dict(zip(ids, [*originals, *exact, *near], strict=True))
    return Planted(seeds, frozenset(ids[len(originals) : end]), frozenset(ids[end:]))


def write_dataset(planted: Planted, folder: Path) -> None:
    """Write a project whose title files are the dataset."""
    answers = folder / "data" / "generated_data"
    answers.mkdir(parents=True)
    (folder / "pytest.ini").touch()
    for number, (title_id, seed) in enumerate(planted.seeds.items()):
        entry = {"response": [seed], "meta": {"case": title_id}}
        document = {
            "title_id": title_id,
            "title": f"Headline {number}: a goose is elected mayor",
            "llm_models": {f"model-{number % 3}": {"9f2c41d0ab37": entry}},
        }
        (answers / f"{title_id}.json").write_text(json.dumps(document), encoding="ascii")


def compare(planted: Planted, audit: Mapping[str, Any]) -> Found:
    """What an audit, read from its JSON, found of what was planted."""
    kinds = {copy["second"]["title_id"]: copy["kind"] for copy in audit["copies"]}
    others = planted.seeds.keys() - planted.exact - planted.near
    return Found(
        sum(kinds.get(one) == "exact" for one in planted.exact) / len(planted.exact),
        sum(one in kinds for one in planted.near) / len(planted.near),
        len(others & kinds.keys()) / len(others),
    )


def _seed(chance: random.Random) -> Seed:
    return {
        "core_event": f"When the news breaks, {_prose(chance, 12)} and nobody in town can say who began it.",
        "themes": chance.sample(_WORDS, 2),
        "tone": "wry and warm",
        "conflict_type": chance.choice(["person vs self", "person vs society"]),
        "stakes": f"a friendship of forty years and {_prose(chance, 3)}",
        "setting_hint": f"a {_prose(chance, 2)} in late autumn",
        "characters": [f"a retired {_prose(chance, 1)} keeper", f"the {_prose(chance, 2)} inspector"],
        "potential_story_hooks": [f"Who had the {_prose(chance, 2)} at night?", f"Why did the {_prose(chance, 2)} go?"],
    }


def _shouted(seed: Seed) -> Seed:
    return {**seed, "core_event": seed["core_event"].upper().replace(",", " -"), "stakes": f"{seed['stakes']}!"}


def _edited(seed: Seed, chance: random.Random) -> Seed:
    if chance.random() < 0.5:
        return {**seed, "stakes": _prose(chance, 9)}
    edited = dict(seed)
    for field in ("core_event", "stakes", "setting_hint"):
        words = [_prose(chance, 1) if chance.random() < 0.05 else word for word in seed[field].split()]
        edited[field] = " ".join(words)
    return {**edited, "tone": "warm, though wry"}


def _prose(chance: random.Random, words: int) -> str:
    return " ".join(chance.choices(_WORDS, k=words))


def _measure(answers: int, folder: Path | None) -> None:
    planted = plant(answers, random.Random(7))
    with tempfile.TemporaryDirectory(dir=folder, prefix="plotbot-benchmark-") as name:
        root = Path(name)
        write_dataset(planted, root)
        output, began = root / "audit.json", time.perf_counter()
        command = [sys.executable, "-m", "plotbot", "audit", "--rootdir", name, "--output", str(output)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - began
        found = compare(planted, json.loads(output.read_bytes()))
    print(f"{answers:>8}  {seconds:>7.1f}  {found.exact:>11.1%}  {found.near:>10.1%}  {found.false:>11.2%}")


def main(args: argparse.Namespace) -> None:
    print(f"{'answers':>8}  {'seconds':>7}  {'exact found':>11}  {'near found':>10}  {'false finds':>11}")
    for answers in (200, 400) if args.quick else (1_000, 10_000):
        _measure(answers, args.folder)


if __name__ == "__main__":
    main(options(__doc__, repeat=1).parse_args())
