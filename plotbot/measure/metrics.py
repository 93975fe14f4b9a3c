"""The metrics of a run, model by model and variant by variant, from its verdicts and exchanges."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from plotbot.measure.groups import GroupMetrics, measure_groups
from plotbot.measure.hosts import Hosts, measure_hosts
from plotbot.measure.intervals import Interval, clustered_interval
from plotbot.measure.repeats import Repeats, measure_repeats
from plotbot.measure.speed import ServerTime, Speed, median_of, nearest_rank, server_time, typical_speed
from plotbot.measure.tally import ModelVariant, Tally, items_by_row, rated_by_title, tally_of
from plotbot.records import NOT_NEEDED, Exchange, ItemResult, PlannedItem, RunRecords


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a sequential comparison says of a row: whether it is worse than another row, or than a baseline (`than`).

    `titles` of the `planned` common titles were compared, `lost` of them had fewer good answers than the other, `won`
    more. `waits` is the number of answers that have to be asked again first, being errors of either.
    """

    than: str
    worse: bool
    titles: int
    planned: int
    lost: int
    won: int
    waits: int = 0


@dataclass(frozen=True, slots=True)
class ModelMetrics:
    """The numbers of one model in one variant of a run.

    `pass_rate` is passed / (passed + failed), without errors and skips; None if nothing was rated. `interval` is
    clustered by title if a title has several rated answers. `failures` and `errors` count items by category, the most
    frequent first. `tolerated` counts items that passed with a tolerated failure. Seconds are wall times of the last
    attempts that brought a reply (`seconds_p95` by nearest rank); `speed` is the median over the same replies. Tokens
    are sums of the server's counts. `extra_attempts` counts requests beyond the first of each case, `reused`
    answers that an earlier run had on record. `repeats` is None
    if no case was rated twice, `server_time` if no server told it, `hosts` if fewer than two were asked. `traits` say,
    by category, what its replies have in common: the shape that the schema wants (`wrong_shape`: `array` or `object`),
    or that most of them repeat themselves (`truncated`: `looped`). `groups` are those of evals that group their titles.
    `challenge` is of `--stop-when-worse`.
    """

    tally: Tally
    pass_rate: float | None
    interval: Interval | None
    failures: Mapping[str, int]
    errors: Mapping[str, int]
    tolerated: int
    seconds_median: float | None
    seconds_p95: float | None
    speed: Speed | None
    extra_attempts: int
    prompt_tokens: int
    completion_tokens: int
    not_run: tuple[str, ...]
    repeats: Repeats | None = None
    server_time: ServerTime | None = None
    hosts: Hosts | None = None
    traits: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[GroupMetrics, ...] = ()
    reused: int = 0
    challenge: Challenge | None = None

    @property
    def model(self) -> str:
        return self.tally.model

    @property
    def variant(self) -> str:
        return self.tally.variant

    @property
    def label(self) -> str:
        """The row's name: the model, and the variant if the run has several."""
        return self.tally.row.label

    @property
    def mixed(self) -> bool:
        """Whether the numbers are of hosts that served different models."""
        return self.hosts is not None and self.hosts.mixed

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


def measure_run(records: RunRecords) -> tuple[ModelMetrics, ...]:
    """The metrics of every planned model and variant, in plan order."""
    return tuple(_measure(row, items, records) for row, items in items_by_row(records).items())


def _measure(row: ModelVariant, items: Sequence[PlannedItem], records: RunRecords) -> ModelMetrics:
    tally, titles = tally_of(row, items, records), rated_by_title(items, records)
    results = [records.results[planned.item] for planned in items if planned.item in records.results]
    exchanges = _exchanges(items, records)
    seconds = [exchange.seconds for exchange in exchanges if exchange.reply is not None]
    replies = [exchange.reply for exchange in exchanges if exchange.reply is not None]
    return ModelMetrics(
        tally=tally,
        pass_rate=tally.pass_rate,
        interval=clustered_interval(titles),
        failures=_categories(results, {"failed"}),
        errors=_categories(
            results, {result.outcome for result in results} - {"passed", "failed", "skipped", NOT_NEEDED}
        ),
        tolerated=sum([result.outcome == "passed" and result.tolerated for result in results]),
        seconds_median=median_of(seconds),
        seconds_p95=nearest_rank(seconds, 0.95),
        speed=typical_speed(exchanges),
        extra_attempts=sum([max(len(exchange.attempts) - 1, 0) for exchange in exchanges]),
        reused=sum([bool(exchange.reused_from) for exchange in exchanges]),
        prompt_tokens=sum([reply.prompt_tokens or 0 for reply in replies]),
        completion_tokens=sum([reply.completion_tokens or 0 for reply in replies]),
        not_run=tuple([planned.item for planned in items if planned.item not in records.results]),
        repeats=measure_repeats(items, titles, records),
        server_time=server_time(exchanges),
        hosts=measure_hosts(row, items, exchanges, records),
        traits=_traits(results),
        groups=measure_groups(row, items, records),
    )


_WANTED = re.compile(r"expected +a JSON (array|object) came ")


def _traits(results: Iterable[ItemResult]) -> dict[str, str]:
    """What the failures of a category have in common, as far as their messages tell (`plotbot.judge.explanations`)."""
    messages: dict[str, list[str]] = {"wrong_shape": [], "truncated": []}
    for result in results:
        if result.outcome == "failed" and result.category in messages:
            # Versions before 0.2 have all in the message.
            told = f"expected {result.expected} came {result.came}" if result.expected else result.message
            messages[result.category].append(told)
    wanted = {found[1] if (found := _WANTED.search(text)) else "" for text in messages["wrong_shape"]}
    looped = sum("it says the same again and again" in text for text in messages["truncated"])
    return {
        **({"wrong_shape": wanted.pop()} if len(wanted) == 1 else {}),
        **({"truncated": "looped"} if 2 * looped > len(messages["truncated"]) else {}),
    }


def _exchanges(items: Iterable[PlannedItem], records: RunRecords) -> list[Exchange]:
    # Two items of one case share an exchange, whose seconds and tokens were spent once.
    cases = dict.fromkeys([planned.case for planned in items])
    return [records.exchanges[case] for case in cases if case in records.exchanges]


def _categories(results: Iterable[ItemResult], outcomes: set[str]) -> dict[str, int]:
    counts = Counter(result.category for result in results if result.outcome in outcomes)
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
