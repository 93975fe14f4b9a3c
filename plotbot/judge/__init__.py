"""Judging a reply: strict JSON, schema, checks and the verdict. Pure: no files, no network, no pytest."""

from plotbot.judge.checks import Check, TitleText
from plotbot.judge.explanations import explain, locate
from plotbot.judge.schemas import Schema, compile_schema
from plotbot.judge.story_checks import validate_entry
from plotbot.judge.strict_json import StrictJsonError, parse_strict
from plotbot.judge.verdicts import judge, kept_value, kept_values
from plotbot.records import Finding

__all__ = [
    "Check",
    "Finding",
    "Schema",
    "StrictJsonError",
    "TitleText",
    "compile_schema",
    "explain",
    "judge",
    "kept_value",
    "kept_values",
    "locate",
    "parse_strict",
    "validate_entry",
]
