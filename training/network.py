"""A small LLaMA in PyTorch that reads the constant prefix once and lets a batch of suffixes attend to it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """The sizes of the network; the export writes them into the GGUF."""

    vocabulary: int = 2048
    width: int = 160
    layers: int = 5
    heads: int = 5
    hidden: int = 448
    context: int = 2048
    rope_base: float = 10_000.0
    epsilon: float = 1e-5

    @property
    def head_width(self) -> int:
        return self.width // self.heads

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


KeysValues = tuple[Tensor, Tensor]


def rope_table(shape: Shape) -> Tensor:
    """Cos and sin of every position and pair: (2, context, head_width / 2)."""
    pairs = torch.arange(0, shape.head_width, 2).float() / shape.head_width
    angles = torch.outer(torch.arange(shape.context).float(), shape.rope_base**-pairs)
    return torch.stack([angles.cos(), angles.sin()])


def rotated(x: Tensor, table: Tensor) -> Tensor:
    """RoPE over neighbouring pairs (0,1), (2,3)…: llama.cpp's order for the architecture "llama"."""
    cos, sin = table[0], table[1]
    even, odd = x[..., 0::2].float(), x[..., 1::2].float()
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2).to(x.dtype)


class Layer(nn.Module):
    """Attention and a gated feed-forward network, each after an RMS norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.width
        self.attn_norm = nn.RMSNorm(width, eps=shape.epsilon)
        self.q, self.k, self.v, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.ffn_norm = nn.RMSNorm(width, eps=shape.epsilon)
        self.gate = nn.Linear(width, shape.hidden, bias=False)
        self.up = nn.Linear(width, shape.hidden, bias=False)
        self.down = nn.Linear(shape.hidden, width, bias=False)

    def forward(self, x: Tensor, table: Tensor, mask: Tensor, before: KeysValues | None) -> tuple[Tensor, KeysValues]:
        batch, length, width = x.shape
        normed = self.attn_norm(x)

        def split(linear: nn.Linear) -> Tensor:
            return linear(normed).view(batch, length, self.shape.heads, self.shape.head_width).transpose(1, 2)

        q, k, v = rotated(split(self.q), table), rotated(split(self.k), table), split(self.v)
        own = (k, v)
        if before is not None:
            k, v = (torch.cat([old.expand(batch, -1, -1, -1), new], 2) for old, new in zip(before, own, strict=True))
        seen = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.out(seen.transpose(1, 2).reshape(batch, length, width))
        normed = self.ffn_norm(x)
        return x + self.down(functional.silu(self.gate(normed)) * self.up(normed)), own


class Network(nn.Module):
    """Tied embeddings around the layers."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        self.register_buffer("table", rope_table(shape), persistent=False)
        self._start()

    def _start(self) -> None:
        nn.init.normal_(self.embedding.weight, std=0.05)
        for layer in self.layers:
            for name in ("out", "down"):
                nn.init.zeros_(getattr(layer, name).weight)

    def forward(self, prefix: Tensor, suffixes: Tensor) -> Tensor:
        """Hidden states of the suffixes (batch, length, width), each read after the one prefix (length,)."""
        start, length = prefix.shape[0], suffixes.shape[1]
        x = self.embedding(prefix)[None]
        y = self.embedding(suffixes)
        causal = torch.ones(start, start, dtype=torch.bool).tril()
        after = torch.ones(length, start + length, dtype=torch.bool).tril(start)
        for layer in self.layers:
            x, before = layer(x, self.table[:, :start], causal, None)
            y, _ = layer(y, self.table[:, start : start + length], after, before)
        return self.norm(y)

    def logits(self, hidden: Tensor) -> Tensor:
        return functional.linear(hidden, self.embedding.weight)
