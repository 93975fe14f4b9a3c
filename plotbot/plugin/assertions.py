"""Which verdict a failing assertion is about, if any: an eval may well assert more than what `judge` said.

An assertion is about a verdict if its message holds the verdict's explanation (`assert verdict.ok, explain(verdict)`),
or if what it claims, or the `if` around it, looks at the verdict itself: at anything of it but its `value`. A helper's
claim about a parameter is followed to the call. The sources of the failing lines say so; without sources only the
message can.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import FrameType, TracebackType
from typing import Any

import pytest

from plotbot.judge import explain
from plotbot.records import Reply, Verdict

_MACHINERY = ("_pytest.", "pytest", "pluggy", "plotbot.plugin")
_HARMLESS = (Verdict, bool, str, int, float, tuple, list, set, frozenset, type(None))
_EVALUATED = (
    ast.Expression, ast.BoolOp, ast.boolop, ast.UnaryOp, ast.Not, ast.Compare, ast.cmpop, ast.Name, ast.Attribute,
    ast.Constant, ast.Tuple, ast.List, ast.Set, ast.expr_context,
)  # fmt: skip


def asserted_verdict(
    text: str, failed: pytest.ExceptionInfo[BaseException], judged: Sequence[Verdict], reply: Reply | None
) -> Verdict | None:
    """The bad verdict that a failing assertion with the message *text* is about; None if it is about something else.

    *judged* are the verdicts on the item's *reply*, in order.
    """
    said = " ".join(text.split())
    for verdict in reversed(judged):
        if not verdict.ok and any(" ".join(one.split()) in said for one in (explain(verdict), explain(verdict, reply))):
            return verdict
    return _claimed(list(own_frames(failed))[::-1], judged)


def own_frames(failed: pytest.ExceptionInfo[BaseException]) -> Iterator[tuple[FrameType, int]]:
    """The frames of the traceback that are not pytest's or plotbot's, outermost first, each with its line."""
    traceback: TracebackType | None = failed.tb
    while traceback is not None:
        if not str(traceback.tb_frame.f_globals.get("__name__", "")).startswith(_MACHINERY):
            yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def own_message(text: str, failed: pytest.ExceptionInfo[BaseException]) -> str:
    """What an eval's author wrote as the message of a failing assertion; empty if that is pytest's own account."""
    frames = list(own_frames(failed))
    failing = _statements(*frames[-1])[-1:] if frames else []
    if not failing or not isinstance(failing[0], ast.Assert):
        return text.strip()
    return "" if failing[0].msg is None else text.partition("\nassert ")[0].strip()


@dataclass(slots=True)
class _Scope:
    """A frame whose expressions are looked at, and what was found in them."""

    frame: FrameType
    function: ast.AST | None
    judged: Sequence[Verdict]
    about: list[Verdict] = field(default_factory=list)
    mentioned: bool = False
    parameters: set[str] = field(default_factory=set)
    _followed: set[str] = field(default_factory=set)

    def look(self, node: ast.AST) -> None:
        """Note the verdicts that an expression looks at, and the parameters of the function that it depends on."""
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
            self._look_at_false_part(node)
            return
        if isinstance(node, ast.Attribute) and node.attr == "value" and isinstance(self._value(node.value), Verdict):
            self.mentioned = True
            return
        value = self._value(node)
        if isinstance(value, Verdict):
            self.mentioned = True
            self.about.append(value)
            return
        if isinstance(node, ast.Name):
            self._follow(node.id)
        for child in ast.iter_child_nodes(node):
            self.look(child)

    def _look_at_false_part(self, node: ast.BoolOp) -> None:
        """`a and b` fails by its first operand that is not true: those known to be true do not count."""
        for operand in node.values:
            known = self._evaluated(operand)
            if known is None or not known[0]:
                self.look(operand)
                return

    def _follow(self, name: str) -> None:
        """Look at what a local name was assigned: `ok = verdict.ok`."""
        if name in self._followed:
            return
        self._followed.add(name)
        code = self.frame.f_code
        if name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
            self.parameters.add(name)
        for node in ast.walk(self.function) if self.function is not None else ():
            if isinstance(node, ast.Assign) and any(isinstance(at, ast.Name) and at.id == name for at in node.targets):
                self.look(node.value)

    def _value(self, node: ast.AST) -> Any:
        """The value of a name, or of an attribute or item of one, found without running any code; else None."""
        match node:
            case ast.Name(id=name):
                return self.frame.f_locals.get(name, self.frame.f_globals.get(name))
            case ast.Attribute(value=inner, attr=name):
                owner = self._value(inner)
                return None if isinstance(owner, Verdict) else getattr(owner, "__dict__", {}).get(name)
            case ast.Subscript(value=inner, slice=ast.Constant(value=key)):
                return _member(self._value(inner), key)
            case ast.Call(func=function) if self.judged and _gives_verdicts(self._value(function)):
                return self.judged[-1]
            case ast.NamedExpr(target=target):
                return self._value(target)
        return None

    def _evaluated(self, node: ast.expr) -> tuple[Any] | None:
        """The value of an expression, if evaluating it can do nothing but look at verdicts and builtin values."""
        for part in ast.walk(node):
            if not isinstance(part, _EVALUATED):
                return None
            if isinstance(part, ast.Attribute) and not isinstance(self._value(part.value), Verdict):
                return None
            if isinstance(part, ast.Name) and type(self._value(part)) not in _HARMLESS:
                return None
        code = compile(ast.Expression(node), "<assertion>", "eval")
        try:
            return (eval(code, self.frame.f_globals, self.frame.f_locals),)  # noqa: S307  the eval's own expression
        except (ArithmeticError, AttributeError, NameError, RecursionError, TypeError, ValueError):
            return None


def _claimed(frames: Sequence[tuple[FrameType, int]], judged: Sequence[Verdict]) -> Verdict | None:
    """The bad verdict that the failing claim is about. *frames* are the innermost first."""
    called: FrameType | None = None
    used: set[str] = set()
    for frame, line in frames:
        statements = _statements(frame, line)
        if not statements:
            return None
        function = next((one for one in reversed(statements) if isinstance(one, _FUNCTIONS)), None)
        scope = _Scope(frame, function, judged)
        for claim in _claims(statements) if called is None else _arguments(statements[-1], called, used):
            scope.look(claim)
        bad = [verdict for verdict in scope.about if not verdict.ok]
        if bad or scope.mentioned or not scope.parameters:
            return bad[-1] if bad else None
        called, used = frame, scope.parameters
    return None


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _statements(frame: FrameType, line: int) -> list[ast.stmt]:
    """The statements around a line, outermost first; none without the source.

    Of several on one line it is the last assertion, if there is one.
    """
    linecache.checkcache(frame.f_code.co_filename)
    around: list[ast.stmt] = []
    waiting = _parsed("".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals)))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno):
            around.append(node)
            waiting = []
        if not isinstance(node, ast.stmt) or around[-1:] == [node]:
            waiting.extend(sorted(ast.iter_child_nodes(node), key=lambda child: isinstance(child, ast.Assert)))
    return around


@lru_cache(maxsize=64)
def _parse(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _parsed(source: str) -> list[ast.AST]:
    module = _parse(source)
    return [] if module is None else [module]


def _claims(statements: Sequence[ast.stmt]) -> list[ast.expr]:
    """What failed: an assertion's claim, or the condition under which a failure is raised."""
    failing = statements[-1]
    if isinstance(failing, ast.Assert):
        return [failing.test]
    for statement in reversed(statements):
        if isinstance(statement, ast.If):
            return [statement.test]
        if isinstance(statement, _FUNCTIONS):
            break
    return []


def _arguments(statement: ast.stmt, called: FrameType, used: set[str]) -> Iterator[ast.expr]:
    """What a statement gives the function that it called for the parameters *used*."""
    code = called.f_code
    for call in ast.walk(statement):
        if not isinstance(call, ast.Call):
            continue
        names = list(code.co_varnames[: code.co_argcount])
        if isinstance(call.func, ast.Attribute) and call.func.attr == code.co_name:
            names = names[1:] if names[:1] in (["self"], ["cls"]) else names
        elif not (isinstance(call.func, ast.Name) and call.func.id == code.co_name):
            continue
        yield from (argument for name, argument in zip(names, call.args, strict=False) if name in used)
        yield from (keyword.value for keyword in call.keywords if keyword.arg in used)


def _member(owner: Any, key: object) -> Any:
    if type(owner) is dict:
        return owner.get(key)
    in_range = type(owner) in (list, tuple) and isinstance(key, int) and -len(owner) <= key < len(owner)
    return owner[key] if in_range else None


def _gives_verdicts(function: object) -> bool:
    """Whether a function says that it returns a verdict, as `judge` does."""
    return getattr(function, "__annotations__", {}).get("return") in ("Verdict", Verdict)
