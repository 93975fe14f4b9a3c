"""A byte-level BPE of 2,048 tokens. Quotes never stick to words, so a copied title is a token-for-token copy."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from training.faults import reply
from training.headlines import headlines

VOCABULARY = 2048
START, END = "<|im_start|>", "<|im_end|>"
SPECIALS = (START, END)
# The only merges that a quote takes part in, first of all merges: an escaped quote, then JSON's own punctuation.
# So `"title": "Dog"` and `Headline: "Dog"` hold the same tokens between their quotes.
STRUCTURE = (
    ("\\", '"'),
    ("Ġ", '\\"'),
    ("Ġ", '"'),
    ('"', ","),
    ('"', ":"),
    ("[", "{"),
    ("[{", '"'),
    ("Ġ", "["),
    ("Ġ[", '"'),
    ('"', "]"),
    ('"]', ","),
    ('"]', "}"),
    ('"]}', "]"),
    ("Ġ", "{"),
    ("Ġ{", '"'),
)


def train(texts: Iterator[str], path: Path) -> Tokenizer:
    """Learn the merges from *texts*, put the structure's merges before them, save to *path*."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r'[\s]?\\?"'), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    # Byte pieces of a quote's surroundings are learnt too and then dropped, hence a few more than will fit.
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY + 64,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    learner.train_from_iterator(texts, trainer)
    learnt = [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]
    tokenizer = _assembled(learnt)
    tokenizer.save(str(path))
    return tokenizer


def _assembled(learnt: Sequence[tuple[str, str]]) -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    room = VOCABULARY - len(SPECIALS) - len(alphabet)
    plain = [pair for pair in learnt if '"' not in "".join(pair) and pair not in STRUCTURE]
    merges = [*STRUCTURE, *plain][:room]
    tokens = [*SPECIALS, *alphabet, *("".join(pair) for pair in merges)]
    if len(set(tokens)) != VOCABULARY:
        raise ValueError(f"{len(set(tokens))} different tokens instead of {VOCABULARY}")
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIALS))
    return tokenizer


def load(path: Path) -> Tokenizer:
    return Tokenizer.from_file(str(path))


def pieces(tokenizer: Tokenizer) -> tuple[str, ...]:
    """The tokens that are text by themselves, as text: what salads are made of."""
    texts = (tokenizer.decode([i]) for i in range(len(SPECIALS), tokenizer.get_vocab_size()))
    return tuple(text for text in texts if text.strip() and "\ufffd" not in text and '"' not in text)


def training_texts(conversation: str, exclude: frozenset[str], seed: int, count: int = 30_000) -> Iterator[str]:
    """The conversation, often enough to become whole words, and headlines with replies to some of them."""
    rng = random.Random(seed)
    yield from [conversation] * 2_000
    for headline in islice(headlines(rng, (), exclude), count):
        yield headline
        if rng.random() < 0.15:
            yield reply(headline, rng)
