"""Sentences and names for the hosts of a model, the same in the terminal, in Markdown and in pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plotbot.measure.hosts import FieldByHost, HostMetrics
from plotbot.measure.metrics import ModelMetrics
from plotbot.report import formatting
from plotbot.report.formatting import Sentence, listed, name
from plotbot.safe import one_line

_MOST_NAMED = 6
_LONGEST = 40


def mixed_sentence(metrics: ModelMetrics) -> Sentence | None:
    """How the models differ that the hosts served; None if they served the same one, or if there was one host."""
    if metrics.hosts is None or not metrics.hosts.mixed:
        return None
    rate = formatting.percent(metrics.pass_rate)
    fields = _fields(metrics.hosts.differences)
    return ["its hosts did not serve the same model: ", *fields, f". The pass rate {rate} is a mix of theirs."]


def apart_sentence(metrics: ModelMetrics) -> Sentence:
    """The pass rate of each host, for pages without a table of hosts; empty if nothing was rated."""
    rated = [one for one in metrics.hosts.by_host if one.pass_rate is not None] if metrics.hosts else []
    rates = [[name(short(one.host)), f" {formatting.rate_with_interval(one.pass_rate, one.interval)}"] for one in rated]
    return ["Apart: ", *_some(rates), "."] if rates else []


def aside_sentence(metrics: ModelMetrics) -> Sentence | None:
    """How the hosts differ although they serve the same model; None if they do not."""
    if metrics.hosts is None or not metrics.hosts.asides:
        return None
    return [
        "its hosts also differ in: " if metrics.mixed else "its hosts differ in: ",
        *_fields(metrics.hosts.asides),
        ".",
    ]


def short(text: str) -> str:
    """Both ends of a name, in at most 40 characters: two hosts often differ in the port alone."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 18]}...{text[-15:]}"


def failed_attempts(counts: Mapping[str, int]) -> str:
    """`unreachable 3, timeout 1`, or a hyphen."""
    return ", ".join(f"{one_line(category, 40)} {count}" for category, count in counts.items()) or formatting.NONE


def answered(host: HostMetrics) -> str:
    """`120 (60.0%)`: the number of cases that the host answered, and their share."""
    return f"{host.answered} ({formatting.percent(host.share)})"


def ascii_name(text: str, limit: int) -> str:
    """A name on one line in ASCII, with escapes for other letters, so that its width is known and none looks alike."""
    return one_line(text[: limit * 4].encode("ascii", "backslashreplace").decode("ascii"), limit)


def _fields(fields: Sequence[FieldByHost]) -> Sentence:
    """`quantization Q4_K_M at a and b, Q8_0 at c; slots 4 at a, not told at b`."""
    parts: Sentence = []
    for one in fields:
        parts += ["; " if parts else "", name(one.field), " ", *_values(one)]
    return parts


def _values(one: FieldByHost) -> Sentence:
    hosts: dict[tuple[str, ...], list[Sentence]] = {}
    for host, values in one.values.items():
        hosts.setdefault(values, []).append([name(short(host))])
    parts: Sentence = []
    for values, where in hosts.items():
        parts += [", " if parts else "", *_value(values), " at ", *_some(where)]
    return parts


def _value(values: Sequence[str]) -> Sentence:
    return _some([[name(value)] for value in values]) if values else ["not told"]


def _some(names: Sequence[Sentence]) -> Sentence:
    """The first six names, and how many more there are."""
    more = len(names) - _MOST_NAMED
    return listed([*names[:_MOST_NAMED], [f"{more} more"]] if more > 0 else names)
