"""How far two people who labelled the same answers agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import nlargest
from itertools import combinations

COMPARED = 10
"""So many labellers of a criterion, those with the most labels, are compared two by two."""


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
    """Of labels by (criterion, answer, labeller): each pair of labellers with an answer in common, by criterion.

    Of more than `COMPARED` labellers of a criterion those with the fewest labels are left out.
    """
    by_criterion: defaultdict[str, defaultdict[str, dict[str, bool]]] = defaultdict(lambda: defaultdict(dict))
    for (criterion, answer, labeller), good in labels.items():
        by_criterion[criterion][labeller][answer] = good
    for criterion, by_labeller in sorted(by_criterion.items()):
        ranked = ((len(said), one) for one, said in sorted(by_labeller.items()))
        compared = [one for _, one in nlargest(COMPARED, ranked)]
        for first, second in combinations(sorted(compared), 2):
            mine, theirs = by_labeller[first], by_labeller[second]
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
