"""How far two people who labelled the same answers agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two labellers on a criterion: of `both`, the answers that both have labelled, `alike` got the same label.

    `kappa` is Cohen's (Educational and Psychological Measurement 20, 1960), the agreement beyond chance; None where
    both gave one and the same label to every answer, which chance would bring as well.
    """

    criterion: str
    first: str
    second: str
    both: int
    alike: int
    kappa: float | None


def agreements(labels: Mapping[tuple[str, str, str], bool]) -> Iterator[Agreement]:
    """Of labels by (criterion, answer, labeller): each pair of labellers with an answer in common, by criterion."""
    by_labeller: defaultdict[tuple[str, str], dict[str, bool]] = defaultdict(dict)
    for (criterion, answer, labeller), good in labels.items():
        by_labeller[criterion, labeller][answer] = good
    for (criterion, first), (other, second) in combinations(sorted(by_labeller), 2):
        if criterion == other:
            mine, theirs = by_labeller[criterion, first], by_labeller[criterion, second]
            pairs = [(mine[answer], theirs[answer]) for answer in mine.keys() & theirs.keys()]
            if pairs:
                alike = sum(one == another for one, another in pairs)
                yield Agreement(criterion, first, second, len(pairs), alike, _kappa(pairs))


def _kappa(pairs: list[tuple[bool, bool]]) -> float | None:
    count = len(pairs)
    first, second = (sum(side) / count for side in zip(*pairs, strict=True))
    by_chance = first * second + (1 - first) * (1 - second)
    observed = sum(one == another for one, another in pairs) / count
    return None if by_chance == 1 else (observed - by_chance) / (1 - by_chance)
