"""One prediction from request to response: the rule that matches, the model, the time on a slot, and the answer."""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import string
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from plotbot.mock import errors, faults
from plotbot.mock.drafts import Asked, Draft, cut_at_limit, story_seed, tokens_in, value_for
from plotbot.mock.faults import FAULTS, Act, Deliver, Edit, Interrupt, Refuse, Reshape, Trick, Wait
from plotbot.mock.model_store import Instance, ModelStore
from plotbot.mock.scenario import ErrorVersion, ModelSpec, Rule, Rulebook, Scenario
from plotbot.mock.slots import Stats
from plotbot.mock.wire import Refused, Request, Response, json_response

_LETTERS = string.ascii_lowercase + string.digits
_STOP_REASONS = {"stop": "eosFound", "length": "maxPredictedTokensReached", "tool_calls": "toolCalls"}
_PLAIN = "This is plotbot's mock. It answers a headline with a story seed, and CONFIRM with CONFIRM."
Finish = Callable[[Draft, Instance, float], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Prediction:
    """A prediction under way. `act` is what the rule's fault does, `finish` makes the body of the answer."""

    request: Request
    asked: Asked
    rule: Rule | None
    act: Act | None
    finish: Finish


class Predictor:
    """Answers predictions. *stop_listening* takes the whole server off the network."""

    def __init__(
        self, scenario: Scenario, models: ModelStore, rules: Rulebook, stats: Stats, stop_listening: Callable[[], None]
    ) -> None:
        self._scenario = scenario
        self._models = models
        self._rules = rules
        self._stats = stats
        self._stop_listening = stop_listening
        self._nonce = itertools.count(1)

    async def chat(self, request: Request, body: dict[str, Any]) -> Response:
        """/v1/chat/completions. Raises Refused."""
        return await self._predict(request, body, self._finish_chat)

    async def chat_v0(self, request: Request, body: dict[str, Any]) -> Response:
        """/api/v0/chat/completions. Raises Refused."""
        return await self._predict(request, body, _chat_v0_body)

    async def completion(self, request: Request, body: dict[str, Any]) -> Response:
        """/v1/completions. Raises Refused."""
        return await self._predict(request, body, lambda draft, _instance, _seconds: _completion_body(draft))

    def _finish_chat(self, draft: Draft, instance: Instance, _seconds: float) -> dict[str, Any]:
        scenario = self._scenario
        return _chat_body(draft, instance.spec, scenario.error_version, separate_reasoning=scenario.separate_reasoning)

    async def _predict(self, request: Request, body: dict[str, Any], finish: Finish) -> Response:
        _look_over(request, body, self._scenario)
        asked = Asked.read(body)
        rule = self._rules.choose(f"{request.method} {request.path}", asked)
        act = None
        if rule is not None and rule.fault is not None:
            self._stats.played(rule.fault)
            act = FAULTS[rule.fault].act
        prediction = _Prediction(request, asked, rule, act, finish)
        response = self._instead(prediction) or await self._answer(prediction)
        if rule is not None and rule.shape is not None:
            return replace(response, shape=rule.shape, seconds=rule.seconds or 0.0)
        return response

    def _instead(self, prediction: _Prediction) -> Response | None:
        """The response that a rule gives instead of a prediction, or None."""
        rule, act = prediction.rule, prediction.act
        if rule is not None and rule.swap:
            self._swap(prediction.asked.model, rule)
        if act is Trick.STOP_LISTENING:
            self._stop_listening()
            return Response(200, b"", shape="reset")
        if act is Trick.RESET_IF_REUSED and prediction.request.reused:
            return Response(200, b"", shape="reset")
        if isinstance(act, Refuse):
            return act.response(prediction.asked.model)
        return None if rule is None or rule.status is None else scripted(rule)

    def _swap(self, name: str, rule: Rule) -> None:
        spec = self._models.find(name)
        if spec is not None:
            self._models.swap(spec.key, rule.swap)

    async def _answer(self, prediction: _Prediction) -> Response:
        """A model's answer. Every request that reaches a model is counted in and out, whatever becomes of it."""
        asked = prediction.asked
        spec = self._models.find(asked.model)
        if spec is None:
            instance = await self._models.instance_for(asked.model, asked.ttl)
            return await self._counted(prediction, instance.spec.key, instance)
        return await self._counted(prediction, spec.key, None)

    async def _counted(self, prediction: _Prediction, key: str, instance: Instance | None) -> Response:
        handshake = prediction.asked.handshake
        replied = False
        self._stats.arrived(key, prediction.request.at, handshake=handshake)
        try:
            instance = instance or await self._models.instance_for(prediction.asked.model, prediction.asked.ttl)
            response = await self._on(instance, prediction)
            replied = True
        except asyncio.CancelledError:
            self._stats.models[key].cancelled += 1
            raise
        finally:
            self._stats.left(key, time.monotonic(), handshake=handshake, replied=replied)
        return response

    async def _on(self, instance: Instance, prediction: _Prediction) -> Response:
        asked, act = prediction.asked, prediction.act
        if asked.prompt_tokens > instance.context:
            version = self._scenario.error_version
            raise Refused(errors.prompt_too_long(version, asked.prompt_tokens, instance.context))
        if act is Trick.DUPLICATE:
            instance = self._models.duplicate(instance)
        draft = self._draft(instance, prediction)
        seconds = self._seconds(instance, prediction)
        half = 0.5 if isinstance(act, Interrupt) else 1.0
        held = None if seconds is None else seconds * half
        tokens = draft.prompt_tokens + draft.completion_tokens
        await instance.slots.hold(held, tokens, counted=not asked.handshake)
        instance.used = time.monotonic()
        if isinstance(act, Interrupt):
            raise self._models.interrupt(instance, act)
        body = prediction.finish(draft, instance, seconds or 0.0)
        response = json_response(act.change(body) if isinstance(act, Reshape) else body)
        return replace(response, shape=act.shape) if isinstance(act, Deliver) else response

    def _seconds(self, instance: Instance, prediction: _Prediction) -> float | None:
        rule, act = prediction.rule, prediction.act
        if isinstance(act, Wait):
            return act.seconds if rule is None or rule.seconds is None else rule.seconds
        if rule is not None and rule.latency is not None:
            return rule.latency
        latency = instance.spec.latency or self._scenario.latency
        return latency.draw(prediction.asked.headline or prediction.asked.prompt, prediction.asked.seed)

    def _draft(self, instance: Instance, prediction: _Prediction) -> Draft:
        asked, act = prediction.asked, prediction.act
        draft = Draft(self._content(prediction), instance.id, asked.prompt_tokens, 0, max_tokens=asked.max_tokens)
        if prediction.rule is not None and prediction.rule.reply is not None:
            draft = replace(draft, reasoning=prediction.rule.reasoning, finish_reason=prediction.rule.finish_reason)
        elif instance.spec.thinking and asked.thinks:
            draft = self._think(draft, constrained=asked.schema is not None)
        draft = _within_limit(draft)
        change = act.change if isinstance(act, Edit) else act.then if isinstance(act, Wait) else None
        return draft if change is None else change(draft)

    def _content(self, prediction: _Prediction) -> str:
        asked, act = prediction.asked, prediction.act
        if prediction.rule is not None and prediction.rule.reply is not None:
            return prediction.rule.reply
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
            return draft if constrained else faults.think_first(draft)
        return faults.in_reasoning(draft) if constrained else replace(draft, reasoning=faults.THOUGHTS)


def default_reply(asked: Asked, seed: object) -> str:
    """What a well-behaved model says."""
    seed_object = story_seed(asked.headline or "Untitled", seed)
    if asked.schema is not None:
        return json.dumps(value_for(asked.schema, seed_object), ensure_ascii=False)
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


def _chat_body(draft: Draft, spec: ModelSpec, version: ErrorVersion, *, separate_reasoning: bool) -> dict[str, Any]:
    """/v1/chat/completions; in 0.3 the choice's keys had another order and the message no `tool_calls`."""
    message = _chat_message(draft, spec, version, separate_reasoning=separate_reasoning)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": draft.finish_reason}
    if version == "0.3":
        choice = {"index": 0, "logprobs": None, "finish_reason": draft.finish_reason, "message": message}
    body = _opening("chatcmpl-", "chat.completion", draft)
    return {**body, "choices": [choice], "usage": _usage(draft), "stats": {}, "system_fingerprint": draft.model}


def _chat_v0_body(draft: Draft, instance: Instance, seconds: float) -> dict[str, Any]:
    """/api/v0/chat/completions: the one OpenAI-shaped answer with tokens per second."""
    message = {"role": "assistant", "content": draft.content}
    choice = {"index": 0, "logprobs": None, "finish_reason": draft.finish_reason, "message": message}
    spec = instance.spec
    return {
        **_opening("chatcmpl-", "chat.completion", draft),
        "choices": [choice],
        "usage": _usage(draft),
        "stats": {
            "tokens_per_second": draft.completion_tokens / seconds if seconds else 0,
            "time_to_first_token": 0,
            "generation_time": seconds,
            "stop_reason": _STOP_REASONS.get(draft.finish_reason, "failed"),
        },
        "model_info": {
            "arch": spec.architecture,
            "quant": spec.quantization,
            "format": spec.format,
            "context_length": instance.context,
        },
        "runtime": {"name": "plotbot-mock", "version": "1.3.0", "supported_formats": [spec.format]},
    }


def _completion_body(draft: Draft) -> dict[str, Any]:
    """/v1/completions. [UNVERIFIED]: taken to be /api/v0's without its last three fields."""
    choice = {"index": 0, "text": draft.content, "logprobs": None, "finish_reason": draft.finish_reason}
    return {**_opening("cmpl-", "text_completion", draft), "choices": [choice], "usage": _usage(draft)}


def _opening(prefix: str, kind: str, draft: Draft) -> dict[str, Any]:
    name = prefix + "".join(_LETTERS[byte % 36] for byte in secrets.token_bytes(21))
    return {"id": name, "object": kind, "created": int(time.time()), "model": draft.model}


def _chat_message(draft: Draft, spec: ModelSpec, version: ErrorVersion, *, separate_reasoning: bool) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": draft.content}
    if separate_reasoning or draft.reasoning:
        # gpt-oss names its channel otherwise (changelog 0.3.23).
        message["reasoning" if spec.architecture == "gpt-oss" else "reasoning_content"] = draft.reasoning
    if version != "0.3":
        message["tool_calls"] = []
    return message


def _usage(draft: Draft) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "prompt_tokens": draft.prompt_tokens,
        "completion_tokens": draft.completion_tokens,
        "total_tokens": draft.prompt_tokens + draft.completion_tokens,
    }
    if draft.reasoning_tokens or draft.reasoning:
        usage["completion_tokens_details"] = {"reasoning_tokens": draft.reasoning_tokens}
    return usage
