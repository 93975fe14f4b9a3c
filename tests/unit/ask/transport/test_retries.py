import pytest

from plotbot.ask.transport.retries import (
    ELSEWHERE_FIRST,
    HOST_FAULTS,
    LONGEST_RETRY_AFTER_SECONDS,
    TRANSIENT_CATEGORIES,
    RetryPolicy,
    backoff_seconds,
    is_transient,
    may_try_again,
    retry_after_seconds,
)
from plotbot.categories import ERROR_CATEGORIES
from plotbot.records import Fault


def test_every_category_of_the_rule_is_an_error_category() -> None:
    assert TRANSIENT_CATEGORIES | ELSEWHERE_FIRST | HOST_FAULTS <= ERROR_CATEGORIES
    assert ELSEWHERE_FIRST <= TRANSIENT_CATEGORIES
    assert {category for category in ERROR_CATEGORIES if is_transient(category)} == TRANSIENT_CATEGORIES


@pytest.mark.parametrize(("attempts", "again"), [(1, True), (3, True), (4, False)])
def test_the_limit_counts_the_tries_after_the_first(attempts: int, again: bool) -> None:
    assert may_try_again(attempts, 3) == again
    assert RetryPolicy(3).allows(Fault("timeout", "late"), attempts) == again


@pytest.mark.parametrize(
    ("category", "here"), [("unreachable", False), ("timeout", False), ("server_busy", True), ("model_crashed", True)]
)
def test_with_another_host_a_silent_one_is_not_tried_again_by_its_client(category: str, here: bool) -> None:
    assert RetryPolicy(3, only_host=False).allows(Fault(category, "why"), 1) == here
    assert RetryPolicy(3).allows(Fault(category, "why"), 1)


def test_the_backoff_doubles_up_to_its_longest() -> None:
    assert [backoff_seconds(failures, 0.5, 8.0) for failures in range(7)] == [0.5, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0]


def test_a_pause_is_spread_at_random_and_no_shorter_than_the_server_asks() -> None:
    pauses = [RetryPolicy().pause_seconds(3, 0.0) for _ in range(50)]
    assert all(1.0 <= pause <= 2.0 for pause in pauses)
    assert len(set(pauses)) > 1
    assert RetryPolicy().pause_seconds(1, 7.0) == 7.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", 0.0),
        ("2", 2.0),
        ("1.5", 1.5),
        ("86400", LONGEST_RETRY_AFTER_SECONDS),
        ("-5", 0.0),
        ("nan", 0.0),
        ("soon", 0.0),
        ("9" * 400, 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2995 07:28:00 GMT", LONGEST_RETRY_AFTER_SECONDS),
    ],
)
def test_retry_after_is_honoured_up_to_a_cap(value: str, seconds: float) -> None:
    assert retry_after_seconds({"retry-after": value}) == seconds
