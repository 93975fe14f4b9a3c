"""An eval of one's own: which desk of a newspaper takes a headline? Its prompt, schema and titles are its own.

Run it with `pytest evals/examples`. Ask a general model: the embedded one has learnt story seeds and nothing else.
"""

import re

import pytest

from plotbot import Finding, explain


@pytest.mark.eval(
    prompt="data/headline_desk/prompt.txt",
    schema="data/headline_desk/schema.json",
    titles="data/headline_desk/titles.json",
)
def test_headline_desk(reply, judge, results):
    """The reply is a strict JSON object of the schema's shape, and its reason is about this headline."""
    verdict = judge(check=reason_takes_up_the_headline)
    assert verdict.ok, explain(verdict, reply)
    results.keep()


def reason_takes_up_the_headline(answer, headline):
    """A check beyond the schema: the reason shares a word of four letters or more with the headline."""
    shared = long_words(headline) & long_words(answer["reason"])
    return [] if shared else [Finding("$.reason", "headline", f"takes up no word of {headline!r}")]


def long_words(text: str) -> set[str]:
    return set(re.findall(r"\w{4,}", text.casefold()))
