from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from plotbot.measure.hosts import UNKNOWN_HOST, FieldByHost, Hosts
from plotbot.measure.intervals import clustered_interval, wilson_interval
from plotbot.measure.metrics import measure_run
from plotbot.measure.speed import Speed
from plotbot.records import RunRecords

MakeRun = Callable[..., RunRecords]

Q4 = {"quantization": "Q4_K_M", "slots": 4}
Q8 = {"quantization": "Q8_0", "slots": 4}


def _row(*hosts: str, outcome: str | None = "passed", **more: Any) -> Mapping[str, Any]:
    """An item whose case was asked at these hosts, one after the other."""
    names = ("title", "case", "item", "model")
    own = {name: more.pop(name) for name in names if name in more}
    return {"model": "a", "outcome": outcome, **own, "exchange": {"hosts": hosts, **more}}


def _hosts(records: RunRecords) -> Hosts:
    (metrics,) = measure_run(records)
    assert metrics.hosts is not None
    return metrics.hosts


@pytest.mark.parametrize("hosts", [[()], [("a:1",), ("a:1",)], [("a:1",), ()], [("a:1", "a:1")], [("",), ("",)]])
def test_fewer_than_two_named_hosts_are_not_told_apart(make_run: MakeRun, hosts: list[tuple[str, ...]]) -> None:
    (metrics,) = measure_run(make_run(*(_row(*names) for names in hosts)))
    assert metrics.hosts is None
    assert metrics.mixed is False


def test_the_embedded_engine_is_one_host_whatever_its_ports_were(make_run: MakeRun) -> None:
    records = dataclasses.replace(make_run(_row("a:1"), _row("a:2")), header={"embedded": True})
    (metrics,) = measure_run(records)
    assert metrics.hosts is None


def test_a_host_is_measured_by_the_cases_that_it_answered(make_run: MakeRun) -> None:
    times = [(outcome, float(second)) for second, outcome in enumerate(["passed"] * 3 + ["failed"], start=1)]
    rows = [_row("b:1", outcome=outcome, seconds=second, completion_tokens=60) for outcome, second in times]
    one, other = _hosts(make_run(*rows, _row("a:1", outcome="failed"))).by_host
    assert (one.host, other.host) == ("a:1", "b:1")
    assert (one.answered, one.share, one.pass_rate, one.speed) == (1, 0.2, 0.0, None)
    assert (other.answered, other.share, other.pass_rate) == (4, 0.8, 0.75)
    assert other.interval == wilson_interval(3, 4)
    assert (other.tally.passed, other.tally.failed, other.tally.planned) == (3, 1, 4)
    assert (other.seconds_median, other.seconds_p95, other.speed) == (2.5, 4.0, Speed(25.0, "measured"))


def test_a_case_counts_where_it_was_answered_and_its_failures_where_they_happened(make_run: MakeRun) -> None:
    one, other = _hosts(make_run(_row("a:1", "a:1", "b:1"), _row("b:1"))).by_host
    assert (one.answered, dict(one.failed_attempts)) == (0, {"unreachable": 2})
    assert (other.answered, dict(other.failed_attempts)) == (2, {})


def test_the_most_frequent_fault_of_a_host_comes_first(make_run: MakeRun) -> None:
    categories = ("auth", "timeout", "timeout", "server_busy")
    hosts = _hosts(make_run(*(_row("a:1", "b:1", category=category) for category in categories)))
    assert list(hosts.by_host[0].failed_attempts.items()) == [("timeout", 2), ("auth", 1), ("server_busy", 1)]


def test_a_host_that_never_answered_is_named_and_has_no_rate(make_run: MakeRun) -> None:
    lost = _row("dead:1", outcome="error", faulty=True)
    dead, good = _hosts(make_run(lost, _row("good:1"))).by_host
    assert (dead.host, dead.answered, dead.share, dead.pass_rate, dead.interval) == ("dead:1", 0, 0.0, None, None)
    assert dead.tally.planned == 0
    assert good.share == 1.0


def test_where_no_host_answered_there_are_no_shares(make_run: MakeRun) -> None:
    hosts = _hosts(make_run(_row("a:1", "b:1", outcome="error", faulty=True)))
    assert [one.share for one in hosts.by_host] == [None, None]
    assert hosts.mixed is False


def test_two_items_of_one_case_are_one_answer_and_two_verdicts(make_run: MakeRun) -> None:
    one, other = _hosts(make_run(_row("a:1", case="c"), _row("a:1", case="c", outcome="failed"), _row("b:1"))).by_host
    assert (one.answered, one.tally.rated, one.pass_rate) == (1, 2, 0.5)
    assert other.answered == 1


def test_repeats_of_a_title_widen_a_hosts_interval_too(make_run: MakeRun) -> None:
    rows = [_row("a:1", title="t", outcome=outcome) for outcome in ("passed", "passed", "failed")]
    assert _hosts(make_run(*rows, _row("b:1"))).by_host[0].interval == clustered_interval([(2, 3)])


def test_answers_without_a_hosts_name_stand_last_and_are_not_lost(make_run: MakeRun) -> None:
    hosts = _hosts(make_run(_row(), _row("b:1"), _row("~:1"))).by_host
    assert [(one.host, one.answered) for one in hosts] == [("b:1", 1), ("~:1", 1), (UNKNOWN_HOST, 1)]


def test_hosts_are_told_apart_model_by_model(make_run: MakeRun) -> None:
    first, second = measure_run(make_run(_row("a:1"), _row("b:1"), _row("a:1", model="b")))
    assert first.hosts is not None
    assert second.hosts is None


@pytest.mark.parametrize(
    ("served", "differences", "asides"),
    [
        ((Q4, Q4), [], []),
        ((Q4, Q8), ["quantization"], []),
        ((Q4, {**Q4, "slots": 8, "server": "llama.cpp", "server_version": "b1", "engine": "x"}), [],
         ["slots", "server", "server_version", "engine"]),
        ((Q4, {"slots": 4}), ["quantization"], []),
        (({}, {}), [], []),
        (({"context_length": 4096}, {"context_length": 8192, "slots": 2}), ["context_length"], ["slots"]),
        (({"key": [1]}, {"key": {"a": 1}}), [], []),
    ],
)  # fmt: skip
def test_fields_that_say_which_model_it_is_make_a_mix_and_others_are_named(
    make_run: MakeRun, served: tuple[Any, Any], differences: list[str], asides: list[str]
) -> None:
    hosts = _hosts(make_run(*(_row(f"{n}:1", fingerprint=told) for n, told in enumerate(served))))
    assert [one.field for one in hosts.differences] == differences
    assert [one.field for one in hosts.asides] == asides
    assert hosts.mixed is bool(differences)


def test_a_difference_names_each_hosts_values(make_run: MakeRun) -> None:
    hosts = _hosts(
        make_run(
            _row("a:1", fingerprint={"size_bytes": 7}),
            _row("b:1", fingerprint={"size_bytes": 8}),
            _row("b:1", fingerprint={"size_bytes": 9}),
            _row("c:1"),
        )
    )
    assert hosts.differences == (FieldByHost("size_bytes", {"a:1": ("7",), "b:1": ("8", "9"), "c:1": ()}),)


def test_hosts_that_changed_their_model_alike_are_a_mix_all_the_same(make_run: MakeRun) -> None:
    rows = [_row(host, fingerprint=served) for served in (Q4, Q8) for host in ("a:1", "b:1")]
    assert [one.field for one in _hosts(make_run(*rows)).differences] == ["quantization"]


def test_what_a_host_without_an_answer_serves_makes_no_mix(make_run: MakeRun) -> None:
    lost = _row("b:1", outcome="error", faulty=True, fingerprint=Q8)
    assert _hosts(make_run(_row("a:1", fingerprint=Q4), lost)).mixed is False


def test_what_is_told_once_a_model_is_loaded_is_no_change(make_run: MakeRun) -> None:
    loaded = {**Q4, "context_length": 4096}
    rows = [_row("a:1", fingerprint=Q4), _row("a:1", fingerprint=loaded), _row("b:1", fingerprint=loaded)]
    assert _hosts(make_run(*rows)).mixed is False
