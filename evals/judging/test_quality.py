"""Is a story seed any good? A judge answers the yes-or-no questions of data/criteria.json.

The titles are the answers of a run, as `--answers RUN` names it. The judge is not told which model wrote the seed.
"""

import pytest

from plotbot import explain


@pytest.mark.eval(
    prompt="data/judging/prompt.txt", schema="data/criteria.json", template="data/judging/quality.template.txt"
)
def test_quality(reply, judge):
    """The judge gives a reason and then a verdict for each question, in strict JSON."""
    verdict = judge(check=reason_first)
    assert verdict.ok, explain(verdict, reply)


def reason_first(answer, _):
    """A model that decides first makes its reason up afterwards."""
    for name, judgement in answer.items():
        if next(iter(judgement)) != "why":
            yield f"$.{name}", "the reason `why` comes before the verdict"
