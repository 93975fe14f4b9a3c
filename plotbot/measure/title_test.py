"""One row's sequential test, fed title by title in plan order.

Never in the order in which answers come: short replies come first, and failures are short. A title counts once, when
all its answers have a verdict. An error is no verdict: it may turn out either way when the run is resumed. A test stops
at the first look that decides whatever its errors turn out to be; with an error before that look the verdict itself
waits for `--resume`. A skipped item is no answer, and a title without an answer does not count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Protocol

from plotbot.measure.betting import Bets
from plotbot.measure.gate import GateLook, GateResult, GateVerdict
from plotbot.measure.intervals import Interval
from plotbot.measure.metrics import Challenge
from plotbot.measure.sequential import SEQUENTIAL, looks_of
from plotbot.measure.tally import ModelVariant

EVEN = 0.5
"""What a comparison holds the mean of its titles against: half the titles that differ are won, half are lost."""


class Rule(Protocol):
    """When the shares of so many titles decide. *shares* count titles by their share of good answers."""

    @property
    def threshold(self) -> float: ...

    @property
    def looks(self) -> tuple[int, ...]: ...

    def proves(self, shares: Mapping[float, int], look: int, /) -> bool: ...

    def refutes(self, shares: Mapping[float, int], look: int, /) -> bool: ...

    def bounds(self, shares: Mapping[float, int], look: int, /) -> tuple[float | None, float | None]: ...

    def interval(self, shares: Mapping[float, int], look: int, /) -> Interval: ...

    def to_settle(self, shares: Mapping[float, int], /) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Score:
    """What a title adds to a test: its share, and the least and the most that its errors may make of it.

    `share` is None if no answer is rated yet. A title that does not count, having no answer, has no score but `NONE`.
    """

    share: float | None
    least: float
    most: float
    errors: int = 0


NONE = Score(None, 0.0, 0.0)


@dataclass(slots=True)
class _Seen:
    """The titles that a test has taken."""

    titles: int = 0
    errors: int = 0
    shares: Counter[float] = field(default_factory=Counter)
    least: Counter[float] = field(default_factory=Counter)
    most: Counter[float] = field(default_factory=Counter)

    def add(self, score: Score) -> None:
        self.titles += 1
        self.errors += score.errors
        self.least[score.least] += 1
        self.most[score.most] += 1
        if score.share is not None:
            self.shares[score.share] += 1

    @property
    def rate(self) -> float | None:
        """The mean share of the titles that have one."""
        rated = sum(self.shares.values())
        return sum(share * count for share, count in self.shares.items()) / rated if rated else None

    def copy(self) -> _Seen:
        return _Seen(self.titles, self.errors, Counter(self.shares), Counter(self.least), Counter(self.most))


class TitleTest:
    """What the gate's test and the comparison's have in common. *titles* are the items of each title, in plan order.

    `feed` takes outcomes in any order and uses them in plan order.
    """

    def __init__(self, row: ModelVariant, titles: Sequence[Sequence[str]], rule: Rule) -> None:
        self.row = row
        self.titles = titles
        self.rule = rule
        self._ends = list(accumulate(map(len, titles)))
        self.place = {item: place for place, items in enumerate(titles) for item in items}
        """By the name under which an outcome is fed, the title that it is about."""
        self._outcomes: dict[str, str] = {}
        self._begin()

    def _begin(self) -> None:
        self.stop: int | None = None
        """The number of items up to the look that decided: those beyond are not needed. None while undecided."""
        self._next = 0
        self._look = 0
        self._seen = _Seen()
        self._looked: list[_Seen] = []

    @property
    def _at_look(self) -> _Seen | None:
        """What the last look saw."""
        return self._looked[-1] if self._looked else None

    @property
    def reached(self) -> int:
        """The number of items, in plan order, up to which the next look reaches, unless titles are skipped."""
        if self.stop is not None:
            return self.stop
        if self._look == len(self.rule.looks):
            return self._ends[-1]
        title = self._next + self.rule.looks[self._look] - self._seen.titles
        return self._ends[min(title, len(self.titles)) - 1]

    def feed(self, item: str, outcome: str) -> bool:
        """Take an item's outcome; a later one, of a teardown or of a second try, replaces it.

        Return whether the test has stopped.
        """
        before = self._outcomes.get(item)
        self._outcomes[item] = outcome
        if before not in {None, outcome} and self.place[item] < self._next:
            self._begin()
        while self.stop is None and self._next < len(self.titles) and (score := self._score(self._next)) is not None:
            self._take(score)
        return self.stop is not None

    def _score(self, title: int) -> Score | None:
        """What a title adds; None while one of its answers has no verdict."""
        outcomes = [self._outcomes.get(item) for item in self.titles[title]]
        if None in outcomes:
            return None
        passed, failed, errors = (outcomes.count(one) for one in ("passed", "failed", "error"))
        answers = passed + failed + errors
        if not answers:
            return NONE
        share = passed / (passed + failed) if passed + failed else None
        return Score(share, passed / answers, (passed + errors) / answers, errors)

    def _take(self, score: Score) -> None:
        self._next += 1
        if score is NONE:
            return
        self._seen.add(score)
        if self._look < len(self.rule.looks) and self._seen.titles == self.rule.looks[self._look]:
            self._looked.append(self._seen.copy())
            look, self._look = self._look, self._look + 1
            if self._decides(self._seen, look):
                self.stop = self._ends[self._next - 1]

    def _decides(self, seen: _Seen, look: int) -> bool:
        """Whether a look decides, whatever the errors before it turn out to be."""
        return self.rule.proves(seen.least, look) or self.rule.refutes(seen.most, look)


class GateTest(TitleTest):
    """The test of a row's pass rate against a threshold."""

    def result(self) -> GateResult:
        """The verdict so far; INCONCLUSIVE until a look decides, and while an error before that look waits."""
        at_look = self._at_look or _Seen()
        verdict, waits = self._verdict(at_look), at_look.errors if self.stop else self._seen.errors
        shown = at_look if self.stop is not None else self._seen
        ended = self._look == len(self.rule.looks)
        return GateResult(
            self.row.model,
            verdict,
            SEQUENTIAL,
            self.rule.threshold,
            shown.rate,
            self._interval(),
            self.rule.to_settle(shown.shares) if ended and verdict == "INCONCLUSIVE" else None,
            self.row.variant,
            titles=shown.titles,
            planned=self.rule.looks[-1],
            waits=waits,
            shares=isinstance(self.rule, Bets),
            course=tuple(
                GateLook(seen.titles, seen.rate, *self.rule.bounds(seen.shares, look))
                for look, seen in enumerate(self._looked)
            ),
        )

    def _verdict(self, seen: _Seen) -> GateVerdict:
        if self.stop is None or seen.errors:
            return "INCONCLUSIVE"
        return "PASS" if self.rule.proves(seen.shares, self._look - 1) else "FAIL"

    def _interval(self) -> Interval | None:
        """The sequential interval after the last look; None before the first one, and where an error waits."""
        if self._at_look is None or self._at_look.errors:
            return None
        return self.rule.interval(self._at_look.shares, self._look - 1)


class ChallengeTest(TitleTest):
    """The test of whether a row, the challenger, is worse than another on the titles that both have answered.

    *rivals* gives for an item of the challenger the name under which the outcome of the same question to the other is
    fed. A title counts (1 + d) / 2, where d is the challenger's share of good answers minus the other's: 1/2 if they
    are equal, which changes nothing. So only titles that differ count, as in McNemar's test.
    """

    def __init__(
        self, row: ModelVariant, titles: Sequence[Sequence[str]], rivals: Mapping[str, str], than: str, every: int
    ) -> None:
        paired = sum(any(item in rivals for item in items) for items in titles)
        super().__init__(row, titles, Bets(EVEN, looks_of(paired, every)))
        self._rivals = rivals
        self.than = than
        self._paired = paired
        self.place |= {rivals[item]: place for item, place in self.place.items() if item in rivals}

    def result(self) -> Challenge:
        """What is known so far; `worse` is False while an error before the deciding look waits for `--resume`."""
        shown = self._at_look if self.stop is not None and self._at_look is not None else self._seen
        return Challenge(
            than=self.than,
            worse=self.stop is not None and not shown.errors,
            titles=shown.titles,
            planned=self._paired,
            lost=sum(count for share, count in shown.shares.items() if share < EVEN),
            won=sum(count for share, count in shown.shares.items() if share > EVEN),
            waits=shown.errors,
        )

    def _score(self, title: int) -> Score | None:
        pairs = [(item, self._rivals[item]) for item in self.titles[title] if item in self._rivals]
        told = [(self._outcomes.get(own), self._outcomes.get(other)) for own, other in pairs]
        if any(None in pair for pair in told):
            return None
        ends = [(_ends_of(own), _ends_of(other)) for own, other in told]
        compared = [(own, other) for own, other in ends if own and other]
        if not compared:
            return NONE
        least = [own[0] - other[-1] for own, other in compared]
        most = [own[-1] - other[0] for own, other in compared]
        settled = [low for low, high in zip(least, most, strict=True) if low == high]
        share = _share(settled) if settled else None
        return Score(share, _share(least), _share(most), len(compared) - len(settled))

    def _decides(self, seen: _Seen, look: int) -> bool:
        return self.rule.refutes(seen.most, look)


def _share(differences: Sequence[int]) -> float:
    return (1 + sum(differences) / len(differences)) / 2


def _ends_of(outcome: str | None) -> tuple[int, ...]:
    """What an outcome counts: the least and the most that it may turn out to be; empty if there is no answer."""
    return {"passed": (1,), "failed": (0,), "error": (0, 1)}.get(outcome or "", ())
