import pytest

from plotbot.judge.patterns import may_take_exponential_time


@pytest.mark.parametrize(
    "pattern",
    [
        r"^(a+)+$", r"(a*)*", r"(a|a)+", r"(a|ab)+", r"(.*,)*", r"(?:a+){10}", r"(-a*a*)*", r"(-(a|a))*",
        r"(?=(a+)+)x", r"(?P<x>a)(?(x)(b+)+|c)", r"((a+)?)+", r"(a?){30}a{30}", r"(\s+\w+)*", r"(\w+\s?)+",
        r"(A[a-z]*)*(?i:)", r"(a)(\1+)+", r"(?:x(?:y+)+)?", r"(-.*)*", r"(-[^a]*)+",
        r"([-a-z]\w*)+", r"([^\W]\d*)+", r"(Ωω*)+", r"([α-ω]Σ?)+",
    ],
)  # fmt: skip
def test_a_pattern_that_could_take_exponential_time_is_refused(pattern: str) -> None:
    assert may_take_exponential_time(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"", r"^[A-Z].*\.$", r"^\d{4}-\d{2}-\d{2}$", r"^[a-z0-9]+(-[a-z0-9]+)*$", r"^\w+( \w+)*$", r"(ab)*", r"(.)+",
        r"(\d{1,3}\.){3}\d{1,3}", r"(foo|bar)+", r"(red|rose)+", r"([^,]+,)+", r"^(?:yes|no)$", r"(a{3}){2}", r"(a+)?",
        r"(?<!x)y+", r"(,\s*)+", r"(\w\W*)+", r"([^\s,] ?)+", r"(;[^;]*)*",
    ],
)  # fmt: skip
def test_a_pattern_that_can_match_a_text_in_one_way_is_accepted(pattern: str) -> None:
    assert not may_take_exponential_time(pattern)
