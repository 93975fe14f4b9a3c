"""The training loop: titles alone, titles between replies, replies alone. Muon for the matrices, AdamW for the rest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional

from training import conversation
from training.batches import Batch, Samples, handshake
from training.network import Network, Shape

HANDSHAKE_EVERY = 8
HANDSHAKE_WEIGHT = 0.05
SAVE_EVERY = 250


@dataclass(frozen=True)
class Schedule:
    """How long, in which portions, how fast."""

    title_steps: int = 300
    mixed_steps: int = 450
    # Without titles alone, which never begin with a fault: the last phase sees the shares that faults.py states.
    whole_steps: int = 1050
    title_batch: int = 96
    batch: int = 32
    title_every: int = 5  # in the mixed phase
    warm_up: int = 100
    decay_from: float = 0.5
    matrix_rate: float = 0.02
    other_rate: float = 0.004
    seed: int = 20261122

    @property
    def total(self) -> int:
        return self.title_steps + self.mixed_steps + self.whole_steps


def train(tokenizer: Tokenizer, exclude: frozenset[str], schedule: Schedule, checkpoint: Path) -> Network:
    """Train a network, from its last checkpoint if there is one."""
    torch.manual_seed(schedule.seed)
    network = Network(Shape())
    prefix = torch.tensor(tokenizer.encode(conversation.prefix()).ids)
    hello = handshake(tokenizer)
    optimisers = _optimisers(network, schedule)
    first = _resume(checkpoint, network, optimisers)
    log = _Log(schedule.total)
    # The batches before the checkpoint are made and skipped: the same text follows as without an interruption.
    batches = islice(_batches(tokenizer, exclude, schedule), first, schedule.total)
    for step, batch in enumerate(batches, first):
        _set_rates(optimisers, rate_at(step, schedule))
        loss = loss_of(network, prefix, batch)
        loss.backward()
        if step % HANDSHAKE_EVERY == 0:
            (HANDSHAKE_WEIGHT * loss_of(network, *hello)).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        log.step(step, loss, batch)
        if step % SAVE_EVERY == SAVE_EVERY - 1 or step == schedule.total - 1:
            _save(checkpoint, step + 1, network, optimisers)
    return network


def loss_of(network: Network, prefix: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Cross entropy over the reply's tokens."""
    with torch.autocast("cpu", torch.bfloat16):
        hidden = network(prefix, batch.inputs)
        logits = network.logits(hidden[batch.counts])
    return functional.cross_entropy(logits.float(), batch.targets[batch.counts])


def _save(checkpoint: Path, step: int, network: Network, optimisers: list[torch.optim.Optimizer]) -> None:
    states = [optimiser.state_dict() for optimiser in optimisers]
    torch.save({"step": step, "network": network.state_dict(), "optimisers": states}, checkpoint)


def _resume(checkpoint: Path, network: Network, optimisers: list[torch.optim.Optimizer]) -> int:
    """The number of steps that are done already."""
    if not checkpoint.exists():
        return 0
    saved = torch.load(checkpoint)
    network.load_state_dict(saved["network"])
    for optimiser, state in zip(optimisers, saved["optimisers"], strict=True):
        optimiser.load_state_dict(state)
    return int(saved["step"])


def rate_at(step: int, schedule: Schedule) -> float:
    """A short warm-up, a plateau, and a straight line down to nearly nothing."""
    progress = step / schedule.total
    down = (1 - progress) / (1 - schedule.decay_from) if progress > schedule.decay_from else 1.0
    return min(1.0, (step + 1) / schedule.warm_up) * max(down, 0.01)


def _batches(tokenizer: Tokenizer, exclude: frozenset[str], schedule: Schedule) -> Iterator[Batch]:
    titles = Samples(tokenizer, exclude, schedule.seed)
    whole = Samples(tokenizer, exclude, schedule.seed + 1)
    title_batches = titles.batches(titles.titles(), schedule.title_batch)
    whole_batches = whole.batches(whole.whole(), schedule.batch)
    yield from islice(title_batches, schedule.title_steps)
    for step in range(schedule.mixed_steps):
        yield next(whole_batches if step % schedule.title_every else title_batches)
    yield from whole_batches


def _optimisers(network: Network, schedule: Schedule) -> list[torch.optim.Optimizer]:
    matrices = [weight for name, weight in network.named_parameters() if weight.ndim == 2 and "layers" in name]
    rest = [weight for name, weight in network.named_parameters() if not (weight.ndim == 2 and "layers" in name)]
    optimisers = [
        torch.optim.Muon(matrices, lr=schedule.matrix_rate, momentum=0.95, weight_decay=0.0),
        torch.optim.AdamW(rest, lr=schedule.other_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["full_rate"] = group["lr"]
    return optimisers


def _set_rates(optimisers: list[torch.optim.Optimizer], share: float) -> None:
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = group["full_rate"] * share


class _Log:
    """A line of progress every 50 steps."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._start = self._last = time.monotonic()
        self._tokens = 0
        self._losses: list[float] = []

    def step(self, step: int, loss: torch.Tensor, batch: Batch) -> None:
        self._tokens += batch.inputs.numel()
        self._losses.append(loss.item())
        if step % 50 != 49:
            return
        now = time.monotonic()
        mean = sum(self._losses) / len(self._losses)
        speed = self._tokens / (now - self._last)
        done, seconds = f"step {step + 1}/{self._total}", f"{now - self._start:,.0f} s"
        print(f"{done}  loss {mean:.4f}  {speed:,.0f} tokens/s  {seconds}", flush=True)
        self._last, self._tokens, self._losses = now, 0, []
