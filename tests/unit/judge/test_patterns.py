import re

import pytest

from plotbot.judge.patterns import MAX_MATCHED, may_take_long


@pytest.mark.parametrize(
    "pattern",
    [
        # exponential
        r"^(a+)+$", r"(a*)*", r"(a|a)+", r"(.*,)*", r"(?:a+){10}", r"(-a*a*)*", r"(-(a|a))*", r"^(?:a|b|ab)*c$",
        r"(?=(a+)+)x", r"(?P<x>a)(?(x)(b+)+|c)", r"((a+)?)+", r"(a?){30}a{30}", r"(\w+\s?)+", "a?" * 30 + "a" * 30,
        r"(A[a-z]*)*(?i:)",
        r"(a)(\1+)+", r"(?:x(?:y+)+)?", r"(-.*)*", "(a|a)" * 30, r"(x+x+)+y", r"(?:(?:){9999}){9999}",
        r"([-a-z]\w*)+", r"([^\W]\d*)+", r"(Ωω*)+", r"([α-ω]Σ?)+", r"(?:\u0100+[\u0100-\u0101])*b", r"((?=.*,).)*;",
        # polynomial of a high degree
        r"^.*,.*,.*,.*;$", r"a*a*a*a*a*b", r"^.*[A-Z].*[A-Z].*[A-Z].*!$", r"^(.*)(.*)(.*)\1\2\3x$", r"\s*\s*\s*$",
        r"(?=(.*,.*,.*,.*;))", r"(?m)^.*,.*,.*;", r"^(?:.*?,){11}P$", r"^(?>.*,.*,.*,.*;)",
    ],
)  # fmt: skip
def test_a_pattern_that_could_take_long_is_recognised(pattern: str) -> None:
    assert may_take_long(pattern)


QUICK = [
    r"", r"^[A-Z].*\.$", r"^\d{4}-\d{2}-\d{2}$", r"^[a-z0-9]+(-[a-z0-9]+)*$", r"^\w+( \w+)*$", r"(ab)*", r"(.)+",
    r"(\d{1,3}\.){3}\d{1,3}", r"(foo|bar)+", r"(red|rose)+", r"([^,]+,)+", r"^(?:yes|no)$", r"(a{3}){2}", r"(a+)?",
    r"(?<!x)y+", r"(,\s*)+", r"(\w\W*)+", r"([^\s,] ?)+", r"(;[^;]*)*", r"(\s+\w+)*", r"^\S+(\s+\S+){0,49}$",
    r"^.*foo.*bar$", r"foo.*bar", r"\w+@\w+\.\w+", r"^[^@\s]+@[^@\s]+\.[^@\s]+$", r"^(?=.*\d)(?=.*[a-z]).{8,}$",
]  # fmt: skip


@pytest.mark.parametrize("pattern", QUICK)
def test_a_pattern_that_decides_by_the_next_character_is_quick(pattern: str) -> None:
    assert not may_take_long(pattern)


@pytest.mark.parametrize("pattern", QUICK)
def test_a_quick_pattern_ends_on_the_longest_string(pattern: str) -> None:
    for text in ("a", ",", "a,", " ", "a ", "1", "a-", "@.", "a@.", "foo", "1.", "A", ";"):
        re.search(pattern, (text * MAX_MATCHED)[: MAX_MATCHED - 2] + "\n!")
