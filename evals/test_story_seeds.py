"""What a good story seed is."""

from plotbot import explain, validate_entry


def test_story_seed(reply, judge, results):
    """The reply is strict JSON of the schema's shape, and its story is about the headline that was asked about."""
    verdict = judge(check=validate_entry)
    assert verdict.ok, explain(verdict, reply)
    results.keep()
