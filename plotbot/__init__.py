"""What an eval may import, all of it."""

__version__ = "0.2.0"

from typing import TYPE_CHECKING, Any

from plotbot.judge import Check, TitleText, explain, judge, validate_entry
from plotbot.records import Finding, Reply, Title, Verdict

if TYPE_CHECKING:
    from plotbot.run.results import Results

__all__ = [
    "Check",
    "Finding",
    "Reply",
    "Results",
    "Title",
    "TitleText",
    "Verdict",
    "__version__",
    "explain",
    "judge",
    "validate_entry",
]


def __getattr__(name: str) -> Any:
    """Load `Results` when it is first used: an eval needs it for types only, and it takes 30 ms."""
    if name != "Results":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from plotbot.run.results import Results  # noqa: PLC0415  see above

    return Results
