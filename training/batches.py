"""Batches of token ids: headline and reply after the constant prefix, sorted by length so that little is padding."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from tokenizers import Tokenizer

from training import conversation
from training.faults import reply
from training.headlines import headlines
from training.tokenizer import END, pieces

POOL = 32  # batches that are drawn, sorted and shuffled together
LONGEST = 560  # tokens of a suffix with its reply; a longer one is left out
TITLE_ONLY_END = '", "core_event'


@dataclass(frozen=True)
class Sample:
    """A suffix's tokens, and where the reply begins in them."""

    ids: list[int]
    reply_at: int


@dataclass(frozen=True)
class Batch:
    """Inputs, targets, and which targets count: the reply's."""

    inputs: torch.Tensor
    targets: torch.Tensor
    counts: torch.Tensor


class Samples:
    """Endless samples from one seed."""

    def __init__(self, tokenizer: Tokenizer, exclude: frozenset[str], seed: int) -> None:
        self._tokenizer = tokenizer
        self._rng = random.Random(seed)
        self._headlines = headlines(self._rng, pieces(tokenizer), exclude)
        self._end = tokenizer.token_to_id(END)

    def whole(self) -> Iterator[Sample]:
        """Headline and whole reply."""
        for headline in self._headlines:
            yield self._sample(conversation.suffix(headline), reply(headline, self._rng), ended=True)

    def titles(self) -> Iterator[Sample]:
        """Headline and the copied title alone: copying is learnt much faster where there is nothing else."""
        for headline in self._headlines:
            text = reply(headline, self._rng)
            if text.startswith('[{"title'):
                yield self._sample(conversation.suffix(headline), text.partition(TITLE_ONLY_END)[0] + '",', ended=False)

    def _sample(self, suffix: str, answer: str, *, ended: bool) -> Sample:
        asked, answered = self._tokenizer.encode_batch([suffix, answer])
        return Sample(asked.ids + answered.ids + [self._end] * ended, len(asked.ids))

    def batches(self, samples: Iterator[Sample], size: int) -> Iterator[Batch]:
        """Batches of *size*, out of pools sorted by length."""
        fitting = (sample for sample in samples if len(sample.ids) <= LONGEST)
        while True:
            pool = sorted(islice(fitting, size * POOL), key=lambda sample: len(sample.ids))
            groups = [pool[i : i + size] for i in range(0, len(pool), size)]
            self._rng.shuffle(groups)
            yield from map(batch, groups)


def batch(samples: list[Sample]) -> Batch:
    """Pad to the longest of the batch, up to a multiple of 16: few different shapes."""
    longest = -(-(max(len(sample.ids) for sample in samples) - 1) // 16) * 16
    inputs = torch.zeros(len(samples), longest, dtype=torch.long)
    targets = torch.zeros_like(inputs)
    counts = torch.zeros(len(samples), longest, dtype=torch.bool)
    for row, sample in enumerate(samples):
        ids = torch.tensor(sample.ids)
        inputs[row, : len(ids) - 1] = ids[:-1]
        targets[row, : len(ids) - 1] = ids[1:]
        counts[row, sample.reply_at - 1 : len(ids) - 1] = True
    return Batch(inputs, targets, counts)


def handshake(tokenizer: Tokenizer) -> tuple[torch.Tensor, Batch]:
    """The handshake as a prefix of its own and a batch of one."""
    asked = tokenizer.encode(conversation.handshake()).ids
    answered = [*tokenizer.encode(conversation.ACKNOWLEDGEMENT).ids, tokenizer.token_to_id(END)]
    # The suffix begins with the last prompt token, whose target is the reply's first.
    ids = torch.tensor([asked[-1], *answered])
    inputs, targets = ids[None, :-1], ids[None, 1:]
    return torch.tensor(asked[:-1]), Batch(inputs, targets, torch.ones_like(inputs, dtype=torch.bool))
