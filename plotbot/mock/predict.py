"""One prediction from request to response: the rule it meets, the model it needs, its time on a slot, its answer."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from plotbot.mock import bodies, edits, errors, seeds
from plotbot.mock.draft import Asked, Draft, cut_at_limit, tokens_in
from plotbot.mock.faults import FAULTS, Act, Deliver, Edit, Refuse, Reshape, Strike, Trick, Wait
from plotbot.mock.models import Instance, Shelf
from plotbot.mock.rules import Rulebook
from plotbot.mock.scenario import Rule, Scenario
from plotbot.mock.stats import Stats
from plotbot.mock.wire import Refused, Request, Response, json_response

_PLAIN = "This is plotbot's mock. It answers a headline with a story seed, and CONFIRM with CONFIRM."
Finish = Callable[[Draft, Instance, float], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Turn:
    """What one prediction carries along."""

    request: Request
    asked: Asked
    rule: Rule | None
    act: Act | None
    finish: Finish


class Predictor:
    """Answers predictions. *stop_listening* takes the whole server off the network."""

    def __init__(
        self, scenario: Scenario, shelf: Shelf, rules: Rulebook, stats: Stats, stop_listening: Callable[[], None]
    ) -> None:
        self._scenario = scenario
        self._shelf = shelf
        self._rules = rules
        self._stats = stats
        self._stop_listening = stop_listening
        self._nonce = itertools.count(1)

    async def chat(self, request: Request, body: dict[str, Any]) -> Response:
        """/v1/chat/completions. Raises Refused."""
        return await self._predict(request, body, self._finish_chat)

    async def chat_v0(self, request: Request, body: dict[str, Any]) -> Response:
        """/api/v0/chat/completions. Raises Refused."""
        return await self._predict(request, body, bodies.chat_v0)

    async def completion(self, request: Request, body: dict[str, Any]) -> Response:
        """/v1/completions. Raises Refused."""
        return await self._predict(request, body, lambda draft, _instance, _seconds: bodies.completion(draft))

    def _finish_chat(self, draft: Draft, instance: Instance, _seconds: float) -> dict[str, Any]:
        scenario = self._scenario
        return bodies.chat(draft, instance.spec, scenario.error_version, separate_reasoning=scenario.separate_reasoning)

    async def _predict(self, request: Request, body: dict[str, Any], finish: Finish) -> Response:
        _look_over(request, body, self._scenario)
        asked = Asked.read(body)
        rule = self._rules.choose(f"{request.method} {request.path}", asked)
        act = None
        if rule is not None and rule.fault is not None:
            self._stats.played(rule.fault)
            act = FAULTS[rule.fault].act
        turn = _Turn(request, asked, rule, act, finish)
        response = self._instead(turn) or await self._answer(turn)
        if rule is not None and rule.shape is not None:
            return replace(response, shape=rule.shape, seconds=rule.seconds or 0.0)
        return response

    def _instead(self, turn: _Turn) -> Response | None:
        """The response that a rule puts in the place of a prediction."""
        rule, act = turn.rule, turn.act
        if rule is not None and rule.swap:
            self._swap(turn.asked.model, rule)
        if act is Trick.STOP_LISTENING:
            self._stop_listening()
            return Response(200, b"", shape="reset")
        if act is Trick.RESET_IF_REUSED and turn.request.reused:
            return Response(200, b"", shape="reset")
        if isinstance(act, Refuse):
            return act.response(turn.asked.model)
        return None if rule is None or rule.status is None else scripted(rule)

    def _swap(self, name: str, rule: Rule) -> None:
        spec = self._shelf.find(name)
        if spec is not None:
            self._shelf.swap(spec.key, rule.swap)

    async def _answer(self, turn: _Turn) -> Response:
        """A model's answer. Every request that reaches a model is counted in and out, whatever becomes of it."""
        asked = turn.asked
        spec = self._shelf.find(asked.model)
        if spec is None:
            instance = await self._shelf.instance_for(asked.model, asked.ttl)
            return await self._counted(turn, instance.spec.key, instance)
        return await self._counted(turn, spec.key, None)

    async def _counted(self, turn: _Turn, key: str, instance: Instance | None) -> Response:
        handshake = turn.asked.handshake
        replied = False
        self._stats.arrived(key, turn.request.at, handshake=handshake)
        try:
            instance = instance or await self._shelf.instance_for(turn.asked.model, turn.asked.ttl)
            response = await self._on(instance, turn)
            replied = True
        except asyncio.CancelledError:
            self._stats.models[key].cancelled += 1
            raise
        finally:
            self._stats.left(key, time.monotonic(), handshake=handshake, replied=replied)
        return response

    async def _on(self, instance: Instance, turn: _Turn) -> Response:
        asked, act = turn.asked, turn.act
        if asked.prompt_tokens > instance.context:
            version = self._scenario.error_version
            raise Refused(errors.prompt_too_long(version, asked.prompt_tokens, instance.context))
        if act is Trick.DUPLICATE:
            instance = self._shelf.duplicate(instance)
        draft = self._draft(instance, turn)
        seconds = self._seconds(instance, turn)
        half = 0.5 if isinstance(act, Strike) else 1.0
        held = None if seconds is None else seconds * half
        tokens = draft.prompt_tokens + draft.completion_tokens
        await instance.slots.hold(held, tokens, counted=not asked.handshake)
        instance.used = time.monotonic()
        if isinstance(act, Strike):
            raise self._shelf.strike(instance, act)
        body = turn.finish(draft, instance, seconds or 0.0)
        response = json_response(act.change(body) if isinstance(act, Reshape) else body)
        return replace(response, shape=act.shape) if isinstance(act, Deliver) else response

    def _seconds(self, instance: Instance, turn: _Turn) -> float | None:
        rule, act = turn.rule, turn.act
        if isinstance(act, Wait):
            return act.seconds if rule is None or rule.seconds is None else rule.seconds
        if rule is not None and rule.latency is not None:
            return rule.latency
        latency = instance.spec.latency or self._scenario.latency
        return latency.draw(turn.asked.headline or turn.asked.prompt, turn.asked.seed)

    def _draft(self, instance: Instance, turn: _Turn) -> Draft:
        asked, act = turn.asked, turn.act
        draft = Draft(self._content(turn), instance.id, asked.prompt_tokens, 0, max_tokens=asked.max_tokens)
        if turn.rule is not None and turn.rule.reply is not None:
            draft = replace(draft, reasoning=turn.rule.reasoning, finish_reason=turn.rule.finish_reason)
        elif instance.spec.thinking and asked.thinks:
            draft = self._think(draft, constrained=asked.schema is not None)
        draft = _within_limit(draft)
        change = act.change if isinstance(act, Edit) else act.then if isinstance(act, Wait) else None
        return draft if change is None else change(draft)

    def _content(self, turn: _Turn) -> str:
        asked, act = turn.asked, turn.act
        if turn.rule is not None and turn.rule.reply is not None:
            return turn.rule.reply
        if act is Trick.ANOTHER_SEED:
            return default_reply(asked, f"{asked.seed}:{next(self._nonce)}")
        content = default_reply(asked, asked.seed)
        if act is Trick.ECHO_PROMPT:
            return f"{asked.prompt}\n{content}"
        if act is Trick.TWO_ANSWERS:
            return content + default_reply(asked, f"{asked.seed}:again")
        return content

    def _think(self, draft: Draft, *, constrained: bool) -> Draft:
        """A grammar holds the thoughts too, so a constrained answer ends up in their channel (BT#575, #1773)."""
        if not self._scenario.separate_reasoning:
            return draft if constrained else edits.think_first(draft)
        return edits.in_reasoning(draft) if constrained else replace(draft, reasoning=edits.THOUGHTS)


def default_reply(asked: Asked, seed: object) -> str:
    """What a well-behaved model says."""
    seed_object = seeds.story_seed(asked.headline or "Untitled", seed)
    if asked.schema is not None:
        return json.dumps(seeds.instance(asked.schema, seed_object), ensure_ascii=False)
    if asked.headline is not None:
        return json.dumps([seed_object], ensure_ascii=False)
    return "CONFIRM" if asked.handshake else _PLAIN


def scripted(rule: Rule) -> Response:
    """A rule's own `status`, `body` or `reply` (text as it is, anything else as JSON) and `headers`."""
    status = 200 if rule.status is None else rule.status
    body = rule.body if rule.reply is None else rule.reply
    if isinstance(body, str):
        return Response(status, body.encode("utf-8", "surrogatepass"), rule.headers)
    return replace(json_response(body, status), headers=rule.headers)


def _within_limit(draft: Draft) -> Draft:
    content, reasoning = cut_at_limit(draft)
    cut = (content, reasoning) != (draft.content, draft.reasoning)
    thought = tokens_in(reasoning)
    return replace(
        draft,
        content=content,
        reasoning=reasoning,
        reasoning_tokens=thought,
        completion_tokens=thought + tokens_in(content),
        finish_reason="length" if cut else draft.finish_reason,
    )


def _look_over(request: Request, body: dict[str, Any], scenario: Scenario) -> None:
    """Refuse what LM Studio refuses before it looks for a model."""
    if not request.path.endswith("/chat/completions"):
        if "prompt" not in body:
            raise Refused(errors.flat("'prompt' field is required"))  # [UNVERIFIED]
    elif not isinstance(body.get("messages"), list):
        raise Refused(errors.messages_missing())
    wanted = body.get("response_format")
    allowed = ("json_schema",) if scenario.error_version == "0.3" else ("json_schema", "text")
    if wanted is not None and (not isinstance(wanted, dict) or wanted.get("type") not in allowed):
        raise Refused(errors.response_format(scenario.error_version))
    if body.get("stream"):
        raise Refused(errors.no_streaming())
