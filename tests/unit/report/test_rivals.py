from __future__ import annotations

import dataclasses
import html
import itertools
import random
import re
from collections.abc import Sequence

import pytest

from plotbot.measure.comparison import compare_sheets
from plotbot.measure.intervals import Interval
from plotbot.measure.metrics import measure_run
from plotbot.measure.pairing import Rival, pair_titles, rank, rivals_of
from plotbot.measure.verdict_sheet import TitleVerdicts, VerdictSheet, verdict_sheet
from plotbot.records import RunRecords
from plotbot.report import formatting
from plotbot.report.comparison import comparison_lines
from plotbot.report.formatting import Sentence, as_text
from plotbot.report.markdown import summary_markdown
from plotbot.report.page import PageRun, page_data
from plotbot.report.rivals import contest_sentence, rival_sentences
from plotbot.report.terminal_summary import summary_lines
from tests.unit.measure.rows import QUESTIONS, run_of


def _rival(label: str, passed: Sequence[bool]) -> Rival:
    words = ("ok" if one else "schema" for one in passed)
    return Rival(label, {f"t{number}": {"e": TitleVerdicts("h", (word,))} for number, word in enumerate(words)})


def _told(rivals: Sequence[Rival]) -> list[str]:
    return [as_text(sentence, str) for sentence in rival_sentences(rivals)]


def test_a_difference_that_the_same_titles_prove_is_told_with_all_that_it_rests_on() -> None:
    better, worse = _rival("a", [True] * 50), _rival("b", [True] * 40 + [False] * 10)
    assert _told([worse, better]) == [
        "a (100.0%) is better than b (80.0%) by 20.0 points [8.7 to 33.1] on the same 50 titles (p 0.002)."
    ]


def test_a_difference_that_may_be_chance_is_said_to_be_undecided_whatever_the_intervals_are() -> None:
    one, other = _rival("a", [True] * 48 + [False] * 2), _rival("b", [True] * 46 + [False] * 4)
    assert _told([one, other]) == [
        "a (96.0%) and b (92.0%) cannot be told apart: +4.0 points [-4.2 to 13.8] on the same 50 titles (p 0.5)."
    ]


def test_of_three_the_best_is_set_against_each_and_the_order_says_which_two_cannot_be_told_apart() -> None:
    rivals = [_rival(name, [number >= bad for number in range(100)]) for name, bad in (("a", 2), ("b", 5), ("c", 60))]
    told = _told(rivals[::-1])
    assert told[0].startswith("a (98.0%) and b (95.0%) cannot be told apart: +3.0 points")
    assert told[1].startswith("a (98.0%) is better than c (40.0%) by 58.0 points")
    assert told[2:] == [
        "In order: a ~ b > c (~: the two cannot be told apart).",
        "Each p is corrected for 2 comparisons (Holm).",
    ]


@pytest.mark.parametrize("seed", range(20))
def test_the_rates_the_sign_and_the_interval_of_a_sentence_have_one_direction(seed: int) -> None:
    draw = random.Random(seed)
    one, other = (_rival(name, [draw.random() < rate for _ in range(40)]) for name, rate in (("a", 0.6), ("b", 0.7)))
    contests = [rank([one, other]).with_best[0]]
    contests += [dataclasses.replace(contests[0], before=x, after=y, paired=pair_titles(x.titles, y.titles))
                 for x, y in ((one, other), (other, one))]  # fmt: skip
    (told,) = {as_text(contest_sentence(contest), str) for contest in contests}
    first, second, difference, low, high = map(float, re.findall(r"-?[\d.]+(?=%|\)? points| to |\])", told))
    assert first >= second
    assert difference == pytest.approx(first - second, abs=0.11)
    assert low <= difference <= high


def test_rivals_without_a_common_title_say_so() -> None:
    other = Rival("b", {"x": {"e": TitleVerdicts("h", ("ok",))}})
    assert _told([_rival("a", [True]), other]) == ["a and b have no common title that is rated in both."]
    assert rival_sentences([other]) == []


def test_the_difference_of_two_rivals_is_the_same_from_both_sides() -> None:
    one, other = _rival("a", [True, False] * 20), _rival("b", [True, True, False] * 13)
    there, back = pair_titles(one.titles, other.titles), pair_titles(other.titles, one.titles)
    assert there.interval is not None
    assert back.interval is not None
    assert (there.interval.low, there.interval.high) == pytest.approx((-back.interval.high, -back.interval.low))
    assert rank([one, other]).with_best[0].p == there.p == back.p


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (-0.101, -0.0037, "-10.1 to -0.3"),
        (-0.2, -0.0003, "-20.0 to -0.1"),
        (0.0002, 0.2, "0.1 to 20.0"),
        (-0.0001, 0.0001, "-0.1 to 0.1"),
        (0.0, 0.05, "0.0 to 5.0"),
        (-1.0, 1.0, "-100.0 to 100.0"),
    ],
)
def test_a_bound_never_rounds_to_zero_or_across_it(low: float, high: float, shown: str) -> None:
    assert formatting.points_interval(Interval(low, high)) == shown


@pytest.mark.parametrize(("p", "shown"), [(0.034, "p 0.034"), (0.0499, "p 0.0499"), (1e-9, "p < 0.0001"), (1.0, "p 1")])
def test_a_p_never_rounds_to_the_limit_of_chance(p: float, shown: str) -> None:
    assert formatting.p_value(p) == shown


def _random_run(seed: int) -> tuple[RunRecords, VerdictSheet]:
    draw = random.Random(seed)
    models, repeats, titles = (
        ["a/x", "b|`y`", "c"][: draw.choice([2, 2, 3])],
        draw.choice([1, 1, 3]),
        draw.randrange(3, 60),
    )
    rates = {model: draw.choice([0.3, 0.8, 0.95]) for model in models}
    rows = []
    for model, title, repeat in itertools.product(models, range(titles), range(1, repeats + 1)):
        good = draw.random() < rates[model]
        outcome = draw.choices(["rated", "error", "skipped"], [18, 1, 1])[0]
        result = ("passed", "ok") if good else ("failed", "schema")
        outcome, category = result if outcome == "rated" else (outcome, "timeout" if outcome == "error" else "ok")
        case = f"{model}-{title}-{repeat}"
        rows.append({
            "model": model, "title": f"t{title}", "repeat": repeat, "outcome": outcome, "category": category,
            "case": case, "item": f"e.py::test[{case}]",
        })  # fmt: skip
    records = run_of(*rows)
    return records, verdict_sheet(records, QUESTIONS)


def _digits(text: str) -> str:
    """The text on one line without the marks of names."""
    return re.sub(r"[`\\\s]+", " ", html.unescape(text))


@pytest.mark.parametrize("seed", range(30))
def test_terminal_page_markdown_and_compare_say_the_same_sentence_to_the_digit(seed: int) -> None:
    records, sheet = _random_run(seed)
    metrics, rivals = measure_run(records), rivals_of(sheet)
    sentences = rival_sentences(rivals)
    assert sentences
    texts = [_digits(as_text(sentence, str)) for sentence in sentences]
    terminal = _digits(" ".join(summary_lines(metrics, rivals=rivals)))
    markdown = _digits(summary_markdown(records, metrics, rivals=rivals))
    page = page_data([PageRun(records, metrics, [], lambda _: [])], "").index["words"]["best"]
    best: list[Sentence] = page[1 : 1 + len(sentences)]
    assert [_digits(as_text(sentence, str)) for sentence in best] == texts
    for text in texts:
        assert text in terminal
        assert text in markdown
    if len(rivals) == 2:
        (compared,) = compare_sheets(sheet, sheet, models=(rivals[0].label, rivals[1].label))
        assert texts[0] in _digits(" ".join(comparison_lines("r", "r", [compared])))


def test_variants_stand_against_the_first_of_their_model_whichever_is_the_best() -> None:
    def variant(model: str, name: str, bad: int) -> Rival:
        return dataclasses.replace(_rival(f"{model} {name}", [number >= bad for number in range(50)]), of=model)

    rivals = [variant(model, name, bad) for model in "mn" for name, bad in (("old", 10), ("new", 0), ("odd", 11))]
    told = _told(rivals)
    assert told[0].startswith("m new (100.0%) is better than m old (80.0%) by 20.0 points")
    assert told[1].startswith("m old (80.0%) and m odd (78.0%) cannot be told apart: +2.0 points")
    assert [" n " in sentence for sentence in told[:4]] == [False, False, True, True]
    assert told[4].startswith("In order: m new ~ n new > m old")
    assert told[5] == "Each p is corrected for 4 comparisons (Holm)."
    assert len(told) == 6


def test_the_first_variant_is_the_run_s_own_first() -> None:
    header = {"variants": [{"name": "z"}, {"name": "a"}]}
    records = run_of(*({"model": "m", "variant": name, "title": "t", "outcome": "passed"} for name in ("a", "z")))
    rivals = rivals_of(verdict_sheet(dataclasses.replace(records, header=header), QUESTIONS))
    assert [rival.label for rival in rivals] == ["m z", "m a"]
