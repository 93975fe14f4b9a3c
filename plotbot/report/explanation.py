"""Why an item did not pass, as a list: the same lines in `summary.md`, on the page, and on a model's page.

The terminal shows them with the text around the failure (`plotbot.judge.explain`).
"""

from __future__ import annotations

from collections.abc import Iterator

from plotbot.records import Finding, ItemResult, Violation
from plotbot.safe import one_line, plural

MOST_LISTED = 20
_LONGEST = 240


def explained(result: ItemResult) -> list[tuple[str, str]]:
    """What was expected, what came and where, by label; of an ok verdict, and of versions before 0.2, nothing."""
    facts = (("expected", result.expected), ("came", result.came), ("where", result.where))
    return [(label, text) for label, text in facts if text]


def explanation_lines(result: ItemResult) -> list[str]:
    """The message, then a line for each of what was expected, came and where, and for each violation and finding.

    Where an eval's own assertion failed, its message says why, whatever the verdict on the reply is.
    """
    lines = [result.message] if result.message else []
    if result.verdict not in {"", result.category}:
        return lines
    faults: list[Violation | Finding] = [*result.violations, *result.findings]
    lines += [f"{label}: {text}" for label, text in explained(result)]
    lines += map(_fault, faults[:MOST_LISTED])
    if len(faults) > MOST_LISTED:
        lines.append(f"and {plural(len(faults) - MOST_LISTED, 'other')}")
    return [*lines, *_recovery(result)]


def _fault(fault: Violation | Finding) -> str:
    name = fault.keyword if isinstance(fault, Violation) else fault.check
    return f"{one_line(fault.path, _LONGEST)}: {one_line(fault.message, _LONGEST)} ({one_line(name, 40)})"


def _recovery(result: ItemResult) -> Iterator[str]:
    if result.tolerated:
        yield f"passed: TOLERATE names {one_line(result.category, 40)}"
    elif result.recoverable and result.expected:
        yield f"a valid answer can be recovered from it: TOLERATE={one_line(result.category, 40)} lets it pass"
