"""Is a story seed about its headline? A judge says so twice, and `plotbot judge` counts how often it is right.

The titles are the answers of a run, as `--answers RUN` names it. A test here fails where the judge's own answer is no
strict JSON: that is a failure of the judge, and no verdict on the seed. Nothing is kept but the journal.
"""

import pytest

from plotbot import explain

JUDGING = "data/judging"


@pytest.mark.eval(
    prompt=f"{JUDGING}/prompt.txt", schema=f"{JUDGING}/choice.schema.json", template=f"{JUDGING}/choice.template.txt"
)
def test_choice_of_headline(reply, judge):
    """The judge chooses among four headlines: the seed's own, and the three that are the most like it."""
    verdict = judge(check=reason_first)
    assert verdict.ok, explain(verdict, reply)


@pytest.mark.eval(
    prompt=f"{JUDGING}/prompt.txt", schema=f"{JUDGING}/pair.schema.json", template=f"{JUDGING}/pair.template.txt"
)
def test_match_of_headline(reply, judge):
    """The judge says whether seed and headline belong together; in one case of ten the headline is another one's."""
    verdict = judge(check=reason_first)
    assert verdict.ok, explain(verdict, reply)


def reason_first(answer, _):
    """A model that decides first makes its reason up afterwards."""
    return next(iter(answer)) == "why" or ("$", "the reason `why` comes before the judgement")
