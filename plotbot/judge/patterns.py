r"""Refusing regular expressions with which a reply could hang a run.

Python's engine backtracks: `^(a+)+$` needs seconds for 26 characters and twice as long for each further one. Such a
pattern repeats a group that can match the same text in several ways. A repeated group is accepted only if it can match
a text in one way: all its parts have a fixed length; or it holds one repeat and begins or ends with a character that
the repeat cannot match (`(-[a-z]+)*`, `(\d{1,3}\.){3}`); or it holds one choice whose alternatives differ in their
first character. All other repeated groups are refused, harmless ones included. An accepted pattern may still take
quadratic time, so patterns are matched on short strings only (`MAX_MATCHED`).
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

MAX_MATCHED = 2_000
"""The longest string, in characters, that a pattern is matched on."""

# Only the parser of `re` itself reads all of its syntax. Its public name, sre_parse, is deprecated.
_parser: Any = importlib.import_module("re._parser")
_ops: Any = importlib.import_module("re._constants")

_REPEATS = frozenset({_ops.MAX_REPEAT, _ops.MIN_REPEAT, _ops.POSSESSIVE_REPEAT})
_SINGLE = frozenset({_ops.LITERAL, _ops.NOT_LITERAL, _ops.ANY, _ops.IN})
_CATEGORIES = {
    _ops.CATEGORY_DIGIT: r"\d", _ops.CATEGORY_NOT_DIGIT: r"\D", _ops.CATEGORY_SPACE: r"\s",
    _ops.CATEGORY_NOT_SPACE: r"\S", _ops.CATEGORY_WORD: r"\w", _ops.CATEGORY_NOT_WORD: r"\W",
}  # fmt: skip
_Node = tuple[Any, Any]


def may_take_exponential_time(pattern: str) -> bool:
    """Whether a pattern that compiles could take exponential time. May raise what `re.compile` raises."""
    nodes = list(_parser.parse(pattern))
    alphabet = _both_cases(frozenset(range(0x100)).union(map(ord, pattern)))
    return any(not _is_unambiguous(_flat(body), alphabet) for body in _repeated_bodies(nodes))


def _repeated_bodies(nodes: list[_Node]) -> Iterator[list[_Node]]:
    for op, argument in nodes:
        if op in _REPEATS and argument[1] > 1:
            yield list(argument[2])
        for inner in _bodies(op, argument):
            yield from _repeated_bodies(inner)


def _bodies(op: Any, argument: Any) -> list[list[_Node]]:
    """The sequences directly inside a node of any kind."""
    if op in _SINGLE or not isinstance(argument, tuple | list | _parser.SubPattern):
        return []
    if op is _ops.BRANCH:
        return [list(branch) for branch in argument[1]]
    parts = [argument] if isinstance(argument, _parser.SubPattern) else argument
    return [list(part) for part in parts if isinstance(part, _parser.SubPattern)]


def _flat(nodes: list[_Node]) -> list[_Node]:
    """The sequence with its groups replaced by their contents."""
    flat: list[_Node] = []
    for op, argument in nodes:
        flat.extend(_flat(list(argument[-1])) if op is _ops.SUBPATTERN else [(op, argument)])
    return flat


def _is_unambiguous(body: list[_Node], alphabet: frozenset[int]) -> bool:
    flexible = [node for node in body if not _fixed(node)]
    if not flexible:
        return True
    if len(flexible) > 1:
        return False
    op, argument = flexible[0]
    if op is _ops.BRANCH:
        return _alternatives_differ([_flat(list(branch)) for branch in argument[1]], alphabet)
    return op in _REPEATS and _is_delimited(body, _flat(list(argument[2])), alphabet)


def _fixed(node: _Node) -> bool:
    op, argument = node
    if op in _REPEATS:
        return bool(argument[0] == argument[1]) and all(map(_fixed, _flat(list(argument[2]))))
    return op in _SINGLE or op is _ops.AT


def _alternatives_differ(branches: list[list[_Node]], alphabet: frozenset[int]) -> bool:
    if not all(branch and branch[0][0] in _SINGLE and all(map(_fixed, branch)) for branch in branches):
        return False
    firsts = [_characters(branch[0], alphabet) for branch in branches]
    return all(one.isdisjoint(other) for one, other in combinations(firsts, 2))


def _is_delimited(body: list[_Node], repeated: list[_Node], alphabet: frozenset[int]) -> bool:
    if len(repeated) != 1 or repeated[0][0] not in _SINGLE:
        return False
    taken = _characters(repeated[0], alphabet)
    ends = [node for node in (body[0], body[-1]) if node[0] in _SINGLE]
    return any(_characters(end, alphabet).isdisjoint(taken) for end in ends)


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
