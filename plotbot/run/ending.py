"""What a session notes on its way of how it comes to its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plotbot.run.baseline import Baseline


@dataclass(slots=True)
class Ending:
    """How the session came to its end, as pytest's hooks tell it, and what was written."""

    usage: bool = False
    harness_fault: bool = False
    interrupted: bool = False
    stopped_by_maxfail: bool = False
    faults: list[str] = field(default_factory=list)
    wrong_models: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    baseline: Baseline | None = None
    compared: list[str] = field(default_factory=list)
