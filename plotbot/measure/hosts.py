"""The numbers of each host of a model that was asked at several, and whether they served the same model."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from plotbot.fingerprint import Fingerprint
from plotbot.measure.intervals import Interval, clustered_interval
from plotbot.measure.speed import Speed, median_of, nearest_rank, typical_speed
from plotbot.measure.tally import ModelVariant, Tally, rated_by_title, tally_of
from plotbot.records import Exchange, PlannedItem, RunRecords

UNKNOWN_HOST = "(unknown host)"
"""The host of attempts that name none, as in journals of earlier versions."""


@dataclass(frozen=True, slots=True)
class HostMetrics:
    """One host's part in a model's answers.

    `answered` is the number of cases whose reply came from this host, `share` its share of all of the model's replies.
    `tally`, `pass_rate` and `interval` are of the items whose case it answered. Seconds and speed are as in
    `ModelMetrics`. `failed_attempts` counts the requests that failed at this host by the category of their fault, the
    most frequent first, no matter which host answered in the end.
    """

    host: str
    answered: int
    share: float | None
    tally: Tally
    pass_rate: float | None
    interval: Interval | None
    seconds_median: float | None
    seconds_p95: float | None
    speed: Speed | None
    failed_attempts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class FieldByHost:
    """A field of the fingerprint that differs: its values by host, as texts. A host that did not tell it has none."""

    field: str
    values: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Hosts:
    """The hosts that a model was asked at, two or more, sorted by name.

    `differences` are fields that say which model was served, `asides` fields that say how and by what server.
    """

    by_host: tuple[HostMetrics, ...]
    differences: tuple[FieldByHost, ...] = ()
    asides: tuple[FieldByHost, ...] = ()

    @property
    def mixed(self) -> bool:
        """Whether the hosts served different models, so that the pass rate is a mix."""
        return bool(self.differences)


@dataclass(slots=True)
class _HostRecord:
    """What the exchanges tell of one host. `told` are the values of each fingerprint field, in the order seen."""

    replies: list[Exchange] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    items: list[PlannedItem] = field(default_factory=list)
    told: dict[str, dict[str, None]] = field(default_factory=dict)

    def take_reply(self, exchange: Exchange) -> None:
        self.replies.append(exchange)
        for name, value in exchange.fingerprint.to_json().items():
            if isinstance(value, str | int | float):
                self.told.setdefault(name, {})[str(value)] = None


def measure_hosts(
    row: ModelVariant, items: Sequence[PlannedItem], exchanges: Sequence[Exchange], records: RunRecords
) -> Hosts | None:
    """The hosts that *exchanges*, those of a row's *items*, name; None if they name fewer than two.

    The embedded engine counts as one host, although its port changes each time that a run is resumed.
    """
    names = {attempt.host for exchange in exchanges for attempt in exchange.attempts}
    if len(names - {""}) < 2 or records.header.get("embedded"):
        return None
    seen = _seen(items, exchanges)
    answered = sum(len(one.replies) for one in seen.values())
    ordered = {host: seen[host] for host in sorted(seen, key=lambda host: (host == UNKNOWN_HOST, host))}
    fields = list(_differing({host: one.told for host, one in ordered.items() if one.replies}))
    return Hosts(
        by_host=tuple(_host(host, row, one, answered, records) for host, one in ordered.items()),
        differences=tuple(one for one in fields if one.field not in Fingerprint.NOT_THE_MODEL),
        asides=tuple(one for one in fields if one.field in Fingerprint.NOT_THE_MODEL),
    )


def _seen(items: Iterable[PlannedItem], exchanges: Iterable[Exchange]) -> Mapping[str, _HostRecord]:
    seen: defaultdict[str, _HostRecord] = defaultdict(_HostRecord)
    answered_by: dict[str, _HostRecord] = {}
    for exchange in exchanges:
        for attempt in exchange.attempts:
            host = seen[attempt.host or UNKNOWN_HOST]
            if attempt.fault is not None:
                host.failed[attempt.fault.category] += 1
        if exchange.reply is not None:
            answered_by[exchange.case] = seen[exchange.host or UNKNOWN_HOST]
            answered_by[exchange.case].take_reply(exchange)
    for planned in items:
        if planned.case in answered_by:
            answered_by[planned.case].items.append(planned)
    return seen


def _host(host: str, row: ModelVariant, seen: _HostRecord, answered: int, records: RunRecords) -> HostMetrics:
    tally = tally_of(row, seen.items, records)
    seconds = [exchange.seconds for exchange in seen.replies]
    return HostMetrics(
        host=host,
        answered=len(seen.replies),
        share=len(seen.replies) / answered if answered else None,
        tally=tally,
        pass_rate=tally.pass_rate,
        interval=clustered_interval(rated_by_title(seen.items, records)),
        seconds_median=median_of(seconds),
        seconds_p95=nearest_rank(seconds, 0.95),
        speed=typical_speed(seen.replies),
        failed_attempts=dict(sorted(seen.failed.items(), key=lambda pair: (-pair[1], pair[0]))),
    )


def _differing(told: Mapping[str, Mapping[str, Iterable[str]]]) -> Iterator[FieldByHost]:
    """The fields with more than one value, over all hosts or at one of them; *told* is by host and field."""
    for name in dict.fromkeys(name for fields in told.values() for name in fields):
        values = {host: tuple(fields.get(name, ())) for host, fields in told.items()}
        # One host whose value changed during the run is a mix too.
        if len(set(values.values())) > 1 or any(len(some) > 1 for some in values.values()):
            yield FieldByHost(name, values)
