"""What commands print for a person. It loads nothing of a run: `plotbot init` has none."""

from __future__ import annotations

import sys
from typing import TextIO

from plotbot.report.terminal_lines import fitted
from plotbot.safe import visible


def say(text: str, into: TextIO | None = None) -> None:
    """Print lines, on stdout unless *into* another; on a terminal of fewer than 80 columns in lines that it holds."""
    print("\n".join(fitted(text)), file=into)


def complain(text: str) -> None:
    """Print one sentence on stderr. Control characters in it, which may come from a file, are made visible."""
    say(f"plotbot: {visible(text)}", sys.stderr)
