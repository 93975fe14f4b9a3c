"""Which rule of a scenario a request meets. Keeps the counts; everything else is in the rules themselves."""

from __future__ import annotations

import random
import re

from plotbot.mock.draft import Asked
from plotbot.mock.scenario import Rule, Scenario


class Rulebook:
    """The rules in order, with how many requests each has counted."""

    def __init__(self, scenario: Scenario) -> None:
        self._rules = [_Counted(rule, scenario.seed + number) for number, rule in enumerate(scenario.rules)]

    def choose(self, route: str, asked: Asked | None) -> Rule | None:
        """The first rule that matches a request, `METHOD /path`; *asked* is what a prediction asks, else None.

        Rules after the chosen one do not count this request.
        """
        return next((counted.rule for counted in self._rules if counted.matches(route, asked)), None)


class _Counted:
    def __init__(self, rule: Rule, seed: int) -> None:
        self.rule = rule
        self._seen = 0
        self._random = random.Random(seed)  # noqa: S311  a schedule of faults, not a secret

    def matches(self, route: str, asked: Asked | None) -> bool:
        return self._is_meant(route, asked) and self._is_due()

    def _is_meant(self, route: str, asked: Asked | None) -> bool:
        rule = self.rule
        if rule.route is None and asked is None:
            return False
        if rule.route is not None and not re.search(rule.route, route):
            return False
        if asked is None:
            return rule.headline is None and rule.model is None and rule.handshake is not True
        return (
            (rule.handshake is None or rule.handshake == asked.handshake)
            and (rule.model is None or re.search(rule.model, asked.model) is not None)
            and (rule.headline is None or re.search(rule.headline, asked.headline or "") is not None)
        )

    def _is_due(self) -> bool:
        rule = self.rule
        self._seen += 1
        if rule.nth and self._seen not in rule.nth:
            return False
        if rule.every is not None and self._seen % rule.every != 0:
            return False
        return rule.probability is None or self._random.random() < rule.probability
