"""LM Studio's answers where nothing is wrong, key by key in its order."""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Sequence
from typing import Any

from plotbot.mock.draft import Draft
from plotbot.mock.models import Instance
from plotbot.mock.scenario import ErrorVersion, ModelSpec

_LETTERS = string.ascii_lowercase + string.digits
_STOP_REASONS = {"stop": "eosFound", "length": "maxPredictedTokensReached", "tool_calls": "toolCalls"}


def openai_model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "owned_by": "organization_owner"}


def openai_models(names: Sequence[str]) -> dict[str, Any]:
    return {"data": [openai_model(name) for name in names], "object": "list"}


def v0_model(name: str, spec: ModelSpec, instance: Instance | None) -> dict[str, Any]:
    body = {
        "id": name,
        "object": "model",
        "type": "llm",
        "publisher": spec.publisher,
        "arch": spec.architecture,
        "compatibility_type": spec.format,
        "quantization": spec.quantization,
        "state": "not-loaded" if instance is None else "loaded",
        "max_context_length": spec.max_context,
    }
    return body if instance is None else {**body, "loaded_context_length": instance.context}


def v1_model(spec: ModelSpec, instances: Sequence[Instance]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": "llm",
        "publisher": spec.publisher,
        "key": spec.key,
        "display_name": spec.key.rpartition("/")[2],
        "architecture": spec.architecture,
        "quantization": {"name": spec.quantization, "bits_per_weight": spec.bits_per_weight},
        "size_bytes": spec.size_bytes,
        "params_string": spec.params,
        "loaded_instances": [{"id": instance.id, "config": load_config(instance)} for instance in instances],
        "max_context_length": spec.max_context,
        "format": spec.format,
        "capabilities": {"vision": False, "trained_for_tool_use": True},
    }
    if spec.thinking:
        body["capabilities"]["reasoning"] = {"allowed_options": ["off", "on"], "default": "on"}
    return {**body, "description": None, "variants": [spec.variant], "selected_variant": spec.variant}


def load_config(instance: Instance) -> dict[str, Any]:
    return {
        "context_length": instance.context,
        "eval_batch_size": 512,
        "parallel": instance.spec.parallel,
        "flash_attention": True,
        "offload_kv_cache_to_gpu": True,
    }


def loaded(instance: Instance, seconds: float, *, echo_config: bool) -> dict[str, Any]:
    body = {"type": "llm", "instance_id": instance.id, "load_time_seconds": round(seconds, 3), "status": "loaded"}
    return {**body, "load_config": load_config(instance)} if echo_config else body


def chat(draft: Draft, spec: ModelSpec, version: ErrorVersion, *, separate_reasoning: bool) -> dict[str, Any]:
    """/v1/chat/completions; in 0.3 the choice's keys had another order and the message no `tool_calls`."""
    message = _message(draft, spec, version, separate_reasoning=separate_reasoning)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": draft.finish_reason}
    if version == "0.3":
        choice = {"index": 0, "logprobs": None, "finish_reason": draft.finish_reason, "message": message}
    body = _opening("chatcmpl-", "chat.completion", draft)
    return {**body, "choices": [choice], "usage": _usage(draft), "stats": {}, "system_fingerprint": draft.model}


def chat_v0(draft: Draft, instance: Instance, seconds: float) -> dict[str, Any]:
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


def completion(draft: Draft) -> dict[str, Any]:
    """/v1/completions. [UNVERIFIED]: taken to be /api/v0's without its last three fields."""
    choice = {"index": 0, "text": draft.content, "logprobs": None, "finish_reason": draft.finish_reason}
    return {**_opening("cmpl-", "text_completion", draft), "choices": [choice], "usage": _usage(draft)}


def _opening(prefix: str, kind: str, draft: Draft) -> dict[str, Any]:
    name = prefix + "".join(_LETTERS[byte % 36] for byte in secrets.token_bytes(21))
    return {"id": name, "object": kind, "created": int(time.time()), "model": draft.model}


def _message(draft: Draft, spec: ModelSpec, version: ErrorVersion, *, separate_reasoning: bool) -> dict[str, Any]:
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
