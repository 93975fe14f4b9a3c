r"""Recognising regular expressions with which a reply could hold up a run.

Python's engine backtracks: `^(a+)+$` needs seconds for 26 characters and twice as long for each further one, and
`^.*,.*,.*,.*;$` hours for 2,000 commas. A pattern is quick if an upper bound of the engine's steps on a string of
`MAX_MATCHED` characters is small:

- A repeat or a choice is clear if the next character decides it (`[a-z]+-`, `(\d{1,3}\.){3}`, `foo|bar`): when the
  engine backtracks into it, it gives up at once, so its length is added. Any other multiplies what follows by its
  length or by the number of its alternatives (`.*,`).
- A group may be repeated if all in it is clear (`(-[a-z]+)*`). Otherwise the steps grow exponentially.

All other patterns may take long, harmless ones included: they are matched where they can be stopped.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any, NamedTuple

MAX_MATCHED = 2_000
"""The longest string, in characters, on which a quick pattern is surely quick."""
_QUICK_STEPS = 20_000_000

# Only the parser of `re` itself reads all of its syntax. Its public name, sre_parse, is deprecated.
_parser: Any = importlib.import_module("re._parser")
_ops: Any = importlib.import_module("re._constants")

_REPEATS = frozenset({_ops.MAX_REPEAT, _ops.MIN_REPEAT, _ops.POSSESSIVE_REPEAT})
_LOOKAROUNDS = frozenset({_ops.ASSERT, _ops.ASSERT_NOT})
_ATOMIC = frozenset({*_LOOKAROUNDS, _ops.ATOMIC_GROUP})
_SINGLE = frozenset({_ops.LITERAL, _ops.NOT_LITERAL, _ops.ANY, _ops.IN})
_CATEGORIES = {
    _ops.CATEGORY_DIGIT: r"\d", _ops.CATEGORY_NOT_DIGIT: r"\D", _ops.CATEGORY_SPACE: r"\s",
    _ops.CATEGORY_NOT_SPACE: r"\S", _ops.CATEGORY_WORD: r"\w", _ops.CATEGORY_NOT_WORD: r"\W",
}  # fmt: skip
_Node = tuple[Any, Any]
# Alternatives beyond this number are not compared with each other: that takes the square of their number.
_MAX_COMPARED = 100


def may_take_long(pattern: str) -> bool:
    """Whether a pattern that compiles could take long on `MAX_MATCHED` characters. May raise what `re.compile` raises.

    Quick patterns take some tenths of a second at most.
    """
    tree = _parser.parse(pattern)
    nodes = _flat(list(tree))
    alphabet = _both_cases(frozenset(range(0x100)).union(_codes(nodes)))
    starts = 1 if _is_anchored(nodes) and not tree.state.flags & re.MULTILINE else MAX_MATCHED
    return starts * _cost(nodes, frozenset(), alphabet).steps > _QUICK_STEPS


class _Cost(NamedTuple):
    """An upper bound of the steps that a sequence takes from one place, and whether all in it is clear."""

    steps: float
    clear: bool


def _cost(nodes: list[_Node], after: frozenset[int], alphabet: frozenset[int]) -> _Cost:
    """The cost of a sequence. *after* are the characters that may follow it: none at the end of the pattern."""
    cost = _Cost(1, clear=True)
    for position in range(len(nodes) - 1, -1, -1):
        op, argument = nodes[position]
        if op in _SINGLE or op is _ops.AT:
            continue
        rest = _firsts(nodes[position + 1 :], after, alphabet)
        if op in _REPEATS:
            cost = _repeat(argument, rest, cost, alphabet)
        elif op is _ops.BRANCH:
            cost = _choice([_flat(list(branch)) for branch in argument[1]], rest, cost, alphabet)
        elif op in _ATOMIC:
            # The engine does not backtrack into it, but a repeated group would begin it at each place.
            inside = _cost(_flat(list(argument[1] if op in _LOOKAROUNDS else argument)), alphabet, alphabet)
            cost = _Cost(inside.steps + cost.steps, clear=cost.clear and inside.steps == 1)
        else:
            # A backreference, or what a later version of Python knows.
            return _Cost(math.inf, clear=False)
    return cost


def _repeat(argument: Any, rest: frozenset[int], cost: _Cost, alphabet: frozenset[int]) -> _Cost:
    low, high, body = argument[0], argument[1], _flat(list(argument[2]))
    firsts = _firsts(body, frozenset(), alphabet)
    inside = _cost(body, rest | firsts, alphabet)
    if high > 1 and (not inside.clear or argument[2].getwidth()[0] == 0):
        return _Cost(math.inf, clear=False)
    lengths = inside.steps if high <= 1 else min(high, MAX_MATCHED)
    if low == high or firsts.isdisjoint(rest):
        return _Cost(lengths + cost.steps, clear=cost.clear and inside.clear)
    return _Cost((1 + lengths) * cost.steps, clear=False)


def _choice(branches: list[list[_Node]], rest: frozenset[int], cost: _Cost, alphabet: frozenset[int]) -> _Cost:
    firsts = [_firsts(branch, rest, alphabet) for branch in branches]
    inside = [_cost(branch, rest, alphabet) for branch in branches]
    longest = max(one.steps for one in inside)
    if len(branches) <= _MAX_COMPARED and all(one.isdisjoint(other) for one, other in combinations(firsts, 2)):
        return _Cost(longest * cost.steps, clear=cost.clear and all(one.clear for one in inside))
    return _Cost(longest * len(branches) * cost.steps, clear=False)


def _firsts(nodes: list[_Node], after: frozenset[int], alphabet: frozenset[int]) -> frozenset[int]:
    """The characters with which a match of the sequence, or what follows an empty one, may begin; too many at worst."""
    found: frozenset[int] = frozenset()
    for op, argument in nodes:
        if op in _SINGLE:
            return found | _characters((op, argument), alphabet)
        if op is _ops.AT or op in _LOOKAROUNDS:
            continue
        if op in _REPEATS:
            branches, may_be_empty = [argument[2]], not argument[0]
        elif op is _ops.BRANCH:
            branches, may_be_empty = argument[1], False
        else:
            return alphabet
        found = found.union(*(_firsts(_flat(list(branch)), frozenset(), alphabet) for branch in branches))
        if not may_be_empty and all(branch.getwidth()[0] for branch in branches):
            return found
    return found | after


def _codes(nodes: list[_Node]) -> Iterator[int]:
    """The characters that the pattern names, the ends of ranges included."""
    for op, argument in nodes:
        if op in (_ops.LITERAL, _ops.NOT_LITERAL):
            yield argument
        elif op is _ops.RANGE:
            yield from argument
        elif op is _ops.IN:
            yield from _codes(argument)
        for inner in _bodies(op, argument):
            yield from _codes(inner)


def _bodies(op: Any, argument: Any) -> list[list[_Node]]:
    """The sequences directly inside a node of any kind."""
    if op in _SINGLE or not isinstance(argument, tuple | list | _parser.SubPattern):
        return []
    if op is _ops.BRANCH:
        return [list(branch) for branch in argument[1]]
    parts = [argument] if isinstance(argument, _parser.SubPattern) else argument
    return [list(part) for part in parts if isinstance(part, _parser.SubPattern)]


def _is_anchored(nodes: list[_Node]) -> bool:
    return bool(nodes) and nodes[0] in ((_ops.AT, _ops.AT_BEGINNING), (_ops.AT, _ops.AT_BEGINNING_STRING))


def _flat(nodes: list[_Node]) -> list[_Node]:
    """The sequence with its groups replaced by their contents."""
    flat: list[_Node] = []
    for op, argument in nodes:
        flat.extend(_flat(list(argument[-1])) if op is _ops.SUBPATTERN else [(op, argument)])
    return flat


def _characters(node: _Node, alphabet: frozenset[int]) -> frozenset[int]:
    """The characters of the alphabet that a one-character node matches, in both cases, since (?i) may be on."""
    op, argument = node
    if op is _ops.ANY:
        return alphabet
    if op is not _ops.IN:
        node_set = frozenset({argument})
        return alphabet - node_set if op is _ops.NOT_LITERAL else _both_cases(node_set)
    members = frozenset().union(*(_members(item, alphabet) for item in argument))
    return alphabet - members if argument[0][0] is _ops.NEGATE else _both_cases(members)


def _members(item: _Node, alphabet: frozenset[int]) -> frozenset[int]:
    op, argument = item
    if op is _ops.LITERAL:
        return frozenset({argument})
    if op is _ops.RANGE:
        low, high = argument
        return frozenset(code for code in alphabet if low <= code <= high)
    if op is _ops.CATEGORY:
        return frozenset(code for code in alphabet if re.match(_CATEGORIES[argument], chr(code)))
    return frozenset()


def _both_cases(codes: frozenset[int]) -> frozenset[int]:
    swapped = (chr(code).swapcase() for code in codes)
    return codes | {ord(character) for character in swapped if len(character) == 1}
