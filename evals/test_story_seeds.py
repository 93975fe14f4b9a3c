"""What a good story seed is."""

from plotbot.judge import explain, validate_entry


def test_story_seed(reply, schema, judge, results):
    """The reply is strict JSON of the schema's shape, and its story is about the headline that was asked about."""
    verdict = judge(reply, schema, check=validate_entry)
    assert verdict.ok, explain(verdict, reply)
    results.keep(reply)
