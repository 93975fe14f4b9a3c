"""How long `plotbot audit` takes for a dataset with planted copies, and how many of them it finds.

    python -m benchmarks.auditing

A tenth of the answers are planted: half of them exact copies with other case and punctuation, half near ones, edited in
one way each: one word in ten replaced, inserted or deleted, or one of the three; sentences in another order; one field
written anew; another headline above words that are edited a little. The others come from one template with a small
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
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measuring import options

_WORDS = [first + last for first in ("har", "cle", "goo", "lad", "win", "may", "let", "fer", "lan", "bal", "wid", "rec",
          "arc", "bic", "cho", "flo", "isl", "ket", "mus", "par") for last in ("bor", "rk", "se", "der", "ter", "or",
          "ry", "tern", "lot", "ow", "ipe", "ive", "ycle", "ir", "od", "and")]  # fmt: skip
Seed = dict[str, Any]
Edit = Callable[[Seed, random.Random], Seed]


@dataclass(frozen=True, slots=True)
class Planted:
    """A dataset: seeds by title id, the ids of exact copies of an earlier one, and by id how near ones were edited."""

    seeds: Mapping[str, Seed]
    exact: frozenset[str]
    near: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """Shares of the planted copies that were found as such, and of all others that were taken for copies."""

    exact: float
    near: float
    false: float
    by_edit: Mapping[str, float]


def plant(answers: int, chance: random.Random) -> Planted:
    """A dataset of so many answers, of which a twentieth are exact copies and a twentieth near ones."""
    copies = answers // 20
    originals = [_seed(chance) for _ in range(answers - 2 * copies)]
    exact = [_shouted(one) for one in chance.sample(originals, copies)]
    edits = [list(_EDITS)[number % len(_EDITS)] for number in range(copies)]
    sources = chance.sample(originals, copies)
    near = [_EDITS[edit](one, chance) for edit, one in zip(edits, sources, strict=True)]
    ids = [f"t{number:05}" for number in range(answers)]
    end = len(originals) + copies
    seeds = dict(zip(ids, [*originals, *exact, *near], strict=True))
    return Planted(seeds, frozenset(ids[len(originals) : end]), dict(zip(ids[end:], edits, strict=True)))


def write_dataset(planted: Planted, folder: Path) -> None:
    """Write a project whose title files are the dataset."""
    answers = folder / "data" / "generated_data"
    answers.mkdir(parents=True)
    (folder / "pytest.ini").touch()
    for number, (title_id, seed) in enumerate(planted.seeds.items()):
        entry = {"response": [seed], "meta": {"case": title_id}}
        document = {
            "title_id": title_id,
            "title": seed["title"],
            "llm_models": {f"model-{number % 3}": {"9f2c41d0ab37": entry}},
        }
        (answers / f"{title_id}.json").write_text(json.dumps(document), encoding="ascii")


def compare(planted: Planted, audit: Mapping[str, Any]) -> Found:
    """What an audit, read from its JSON, found of what was planted."""
    kinds = {copy["second"]["title_id"]: copy["kind"] for copy in audit["copies"]}
    others = planted.seeds.keys() - planted.exact - planted.near.keys()
    return Found(
        sum(kinds.get(one) == "exact" for one in planted.exact) / len(planted.exact),
        sum(one in kinds for one in planted.near) / len(planted.near),
        len(others & kinds.keys()) / len(others),
        {edit: _share(kinds.keys(), [one for one, how in planted.near.items() if how == edit]) for edit in _EDITS},
    )


def _share(found: Collection[str], planted: Sequence[str]) -> float:
    return sum(one in found for one in planted) / len(planted)


def _seed(chance: random.Random) -> Seed:
    return {
        "title": f"A {_prose(chance, 4)} is elected mayor",
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


def _with_words(change: Callable[[str, random.Random], str], share: float = 0.1) -> Edit:
    """An edit that *change* makes to that share of all words but those of the headline."""

    def edited(text: str, chance: random.Random) -> str:
        words = [change(word, chance) if chance.random() < share else word for word in text.split()]
        return " ".join(word for word in words if word)

    def edit(seed: Seed, chance: random.Random) -> Seed:
        told = {name: value for name, value in seed.items() if name != "title"}
        return {"title": seed["title"]} | {
            name: edited(value, chance) if isinstance(value, str) else [edited(one, chance) for one in value]
            for name, value in told.items()
        }

    return edit


def _replaced(_: str, chance: random.Random) -> str:
    return _prose(chance, 1)


def _inserted(word: str, chance: random.Random) -> str:
    return f"{word} {_prose(chance, 1)}"


def _deleted(_word: str, _chance: random.Random) -> str:
    return ""


def _any_of_three(word: str, chance: random.Random) -> str:
    return chance.choice([_replaced, _inserted, _deleted])(word, chance)


def _reordered(seed: Seed, chance: random.Random) -> Seed:
    """All fields, and the sentences of each, in another order."""
    names = [name for name in seed if name != "title"]
    chance.shuffle(names)
    turned = {name: seed[name][::-1] if isinstance(seed[name], list) else seed[name] for name in names}
    first, comma, second = str(seed["core_event"]).partition(", ")
    return {"title": seed["title"], **turned, "core_event": f"{second}{comma}{first}"}


def _with_new_field(seed: Seed, chance: random.Random) -> Seed:
    return {**seed, "stakes": _prose(chance, 9)}


def _with_other_headline(seed: Seed, chance: random.Random) -> Seed:
    edited = _with_words(_replaced, 0.05)(seed, chance)
    return {**edited, "title": f"The {_prose(chance, 6)} has run out of aunts"}


_EDITS: Mapping[str, Edit] = {
    "one word in ten replaced": _with_words(_replaced),
    "one word in ten inserted": _with_words(_inserted),
    "one word in ten deleted": _with_words(_deleted),
    "one word in ten of the three": _with_words(_any_of_three),
    "sentences in another order": _reordered,
    "one field written anew": _with_new_field,
    "another headline, one word in twenty": _with_other_headline,
}


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
    for edit, share in found.by_edit.items():
        print(f"{edit:>40}  {share:>7.1%}")


def main(args: argparse.Namespace) -> None:
    print(f"{'answers':>8}  {'seconds':>7}  {'exact found':>11}  {'near found':>10}  {'false finds':>11}")
    for answers in (200, 400) if args.quick else (1_000, 10_000):
        _measure(answers, args.folder)


if __name__ == "__main__":
    main(options(__doc__, repeat=1).parse_args())
