"""LM Studio's routes: the token, the handler of each route, and the bodies that list and load models."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from plotbot.mock import errors
from plotbot.mock.model_store import Instance, ModelStore
from plotbot.mock.predict import Predictor, scripted
from plotbot.mock.scenario import ModelSpec, Rulebook, Scenario
from plotbot.mock.slots import Stats
from plotbot.mock.wire import Refused, Request, Response, json_response

Handler = Callable[[Request], Awaitable[Response]]
_LOAD_KEYS = frozenset({
    "model", "context_length", "eval_batch_size", "flash_attention", "num_experts", "offload_kv_cache_to_gpu",
    "echo_load_config",
})  # fmt: skip
_OPEN = frozenset({"GET /lmstudio-greeting", "GET /mock/stats"})


class Routes:
    """Answers every request of one mock."""

    def __init__(
        self, scenario: Scenario, models: ModelStore, rules: Rulebook, stats: Stats, predictor: Predictor
    ) -> None:
        self._scenario = scenario
        self._models = models
        self._rules = rules
        self._stats = stats
        self._predictor = predictor
        self._handlers: Mapping[str, Handler] = {
            "GET /lmstudio-greeting": self._greeting,
            "GET /v1/models": self._openai_models,
            "POST /v1/chat/completions": self._chat,
            "POST /v1/completions": self._completion,
            "GET /api/v0/models": self._v0_models,
            "POST /api/v0/chat/completions": self._chat_v0,
            "GET /api/v1/models": self._v1_models,
            "POST /api/v1/models/load": self._load,
            "POST /api/v1/models/unload": self._unload,
            "GET /mock/stats": self._mock_stats,
        }
        self._one_model: Mapping[str, Handler] = {
            "GET /v1/models/": self._openai_model,
            "GET /api/v0/models/": self._v0_model,
        }
        self._predictions = frozenset({self._chat, self._completion, self._chat_v0})

    async def answer(self, request: Request) -> Response:
        self._stats.received += 1
        try:
            return await self._route(request)
        except Refused as refused:
            self._stats.refused += 1
            return refused.response

    async def _route(self, request: Request) -> Response:
        route = f"{request.method} {request.path}"
        handler = self._handlers.get(route) or self._one_model_handler(route)
        if handler in self._predictions:
            self._check_token(request)
            return await handler(request)
        rule = self._rules.choose(route, None)
        if rule is not None and rule.latency is not None:
            await asyncio.sleep(rule.latency)
        if rule is not None and (rule.status is not None or rule.reply is not None):
            response = scripted(rule)
        elif handler is None:
            response = errors.unexpected(request.method, request.target)
        else:
            if route not in _OPEN:
                self._check_token(request)
            response = await handler(request)
        return response if rule is None else replace(response, shape=rule.shape, seconds=rule.seconds or 0.0)

    def _one_model_handler(self, route: str) -> Handler | None:
        return next((found for prefix, found in self._one_model.items() if route.startswith(prefix)), None)

    def _check_token(self, request: Request) -> None:
        if self._scenario.token is None:
            return
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refused(errors.no_token())
        if not hmac.compare_digest(token.encode(), self._scenario.token.encode()):
            raise Refused(errors.bad_token(token))

    async def _greeting(self, _request: Request) -> Response:
        return json_response({"lmstudio": True})

    async def _openai_models(self, _request: Request) -> Response:
        return json_response(_openai_models(self._models.names()))

    async def _openai_model(self, request: Request) -> Response:
        """[UNVERIFIED]: the route exists (0.3.29), its body and its 404 were never shown."""
        name = request.path.removeprefix("/v1/models/")
        if name not in self._models.names():
            raise Refused(errors.model_not_found_404(name, self._models.names()))
        return json_response(_openai_model(name))

    async def _v0_models(self, _request: Request) -> Response:
        return json_response({"object": "list", "data": [self._v0_entry(name) for name in self._models.names()]})

    async def _v0_model(self, request: Request) -> Response:
        """[UNVERIFIED] 404."""
        name = request.path.removeprefix("/api/v0/models/")
        if name not in self._models.names():
            raise Refused(errors.model_not_found_404(name, self._models.names()))
        return json_response(self._v0_entry(name))

    def _v0_entry(self, name: str) -> dict[str, Any]:
        spec = self._models.find(name)
        if spec is None:
            raise Refused(errors.model_not_found_404(name, self._models.names()))
        instance = next((instance for instance in self._models.instances() if instance.id == name), None)
        return _v0_model(name, spec, instance)

    async def _v1_models(self, _request: Request) -> Response:
        models = [_v1_model(spec, self._models.instances(spec.key)) for spec in self._models.specs()]
        return json_response({"models": models})

    async def _load(self, request: Request) -> Response:
        body = _json_object(request)
        unknown = [key for key in body if key not in _LOAD_KEYS]
        if unknown:
            raise Refused(errors.unrecognized_keys(unknown))
        if not body.get("model"):
            raise Refused(errors.missing_parameter("model"))
        instance = await self._models.load(str(body["model"]), body.get("context_length"))
        seconds = time.monotonic() - request.at
        return json_response(_loaded(instance, seconds, echo_config=bool(body.get("echo_load_config"))))

    async def _unload(self, request: Request) -> Response:
        body = _json_object(request)
        if not body.get("instance_id"):
            raise Refused(errors.missing_parameter("instance_id"))
        self._models.unload(str(body["instance_id"]))
        return json_response({"instance_id": body["instance_id"]})

    async def _chat(self, request: Request) -> Response:
        return await self._predictor.chat(request, _json_object(request))

    async def _chat_v0(self, request: Request) -> Response:
        return await self._predictor.chat_v0(request, _json_object(request))

    async def _completion(self, request: Request) -> Response:
        return await self._predictor.completion(request, _json_object(request))

    async def _mock_stats(self, _request: Request) -> Response:
        """The mock's own: LM Studio has no such route."""
        return replace(json_response(self._stats.to_json()), headers={"X-Plotbot-Mock": "stats"})


def _json_object(request: Request) -> dict[str, Any]:
    try:
        body = request.json()
    except (ValueError, RecursionError) as error:
        raise Refused(errors.not_json(str(error))) from None
    if not isinstance(body, dict):
        raise Refused(errors.messages_missing())
    return body


def _openai_model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "owned_by": "organization_owner"}


def _openai_models(names: Sequence[str]) -> dict[str, Any]:
    return {"data": [_openai_model(name) for name in names], "object": "list"}


def _v0_model(name: str, spec: ModelSpec, instance: Instance | None) -> dict[str, Any]:
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


def _v1_model(spec: ModelSpec, instances: Sequence[Instance]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": "llm",
        "publisher": spec.publisher,
        "key": spec.key,
        "display_name": spec.key.rpartition("/")[2],
        "architecture": spec.architecture,
        "quantization": {"name": spec.quantization, "bits_per_weight": spec.bits_per_weight},
        "size_bytes": spec.size_bytes,
        "params_string": spec.params,
        "loaded_instances": [{"id": instance.id, "config": _load_config(instance)} for instance in instances],
        "max_context_length": spec.max_context,
        "format": spec.format,
        "capabilities": {"vision": False, "trained_for_tool_use": True},
    }
    if spec.thinking:
        body["capabilities"]["reasoning"] = {"allowed_options": ["off", "on"], "default": "on"}
    return {**body, "description": None, "variants": [spec.variant], "selected_variant": spec.variant}


def _load_config(instance: Instance) -> dict[str, Any]:
    return {
        "context_length": instance.context,
        "eval_batch_size": 512,
        "parallel": instance.spec.parallel,
        "flash_attention": True,
        "offload_kv_cache_to_gpu": True,
    }


def _loaded(instance: Instance, seconds: float, *, echo_config: bool) -> dict[str, Any]:
    body = {"type": "llm", "instance_id": instance.id, "load_time_seconds": round(seconds, 3), "status": "loaded"}
    return {**body, "load_config": _load_config(instance)} if echo_config else body
