"""Makes the model: text, tokenizer, training, export. `python -m training.make --out DIR`."""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path

from tokenizers import Tokenizer

from training import conversation, tokenizer
from training.export import export
from training.headlines import excluded
from training.train import Schedule, train


def main() -> None:
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    schedule = Schedule()
    if options.steps is not None:
        phases = dict.fromkeys(("title_steps", "mixed_steps", "whole_steps"), options.steps)
        schedule = dataclasses.replace(schedule, **phases)
    exclude = excluded(conversation.DATA / "titles_index.json")
    learnt = _tokenizer(options.out / "tokenizer.json", exclude, schedule.seed)
    network = train(learnt, exclude, schedule, options.out / "network.pt")
    sha256 = export(network, learnt, options.out / "story-seeds.gguf")
    print(f"{options.out / 'story-seeds.gguf'}  {time.monotonic() - began:,.0f} s\nSHA-256 {sha256}")


def _tokenizer(path: Path, exclude: frozenset[str], seed: int) -> Tokenizer:
    """The tokenizer; the one that is there already, because a checkpoint beside it was trained with it."""
    if path.exists():
        return tokenizer.load(path)
    texts = tokenizer.training_texts(conversation.prefix() + conversation.handshake(), exclude, seed)
    return tokenizer.train(texts, path)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.make", description="Make the story-seed model.")
    parser.add_argument("--out", type=Path, required=True, help="folder for tokenizer, checkpoint and GGUF")
    parser.add_argument("--steps", type=int, help="for a short trial: so many steps in each of the three phases")
    return parser.parse_args()


if __name__ == "__main__":
    main()
