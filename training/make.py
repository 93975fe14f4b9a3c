"""Makes the model: text, tokenizer, training, export. `python -m training.make --out DIR`."""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path

from training import conversation, tokenizer
from training.export import export
from training.headlines import excluded
from training.train import Schedule, train


def main() -> None:
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    schedule = dataclasses.replace(Schedule(), title_steps=options.title_steps, steps=options.steps)
    exclude = excluded(conversation.DATA / "titles_index.json")
    texts = tokenizer.training_texts(conversation.prefix() + conversation.handshake(), exclude, schedule.seed)
    learnt = tokenizer.train(texts, options.out / "tokenizer.json")
    network = train(learnt, exclude, schedule, options.out / "network.pt")
    sha256 = export(network, learnt, options.out / "story-seeds.gguf")
    print(f"{options.out / 'story-seeds.gguf'}  {time.monotonic() - began:,.0f} s\nSHA-256 {sha256}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.make", description="Make the story-seed model.")
    parser.add_argument("--out", type=Path, required=True, help="folder for tokenizer, weights and GGUF")
    parser.add_argument("--title-steps", type=int, default=Schedule.title_steps, help="steps that only copy titles")
    parser.add_argument("--steps", type=int, default=Schedule.steps, help="steps with whole replies")
    return parser.parse_args()


if __name__ == "__main__":
    main()
