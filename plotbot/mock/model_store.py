"""Which models are on the disk, which are loaded, and what happens when one is asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from plotbot.mock import errors
from plotbot.mock.faults import Interrupt, Stays
from plotbot.mock.scenario import ModelSpec, Scenario
from plotbot.mock.slots import ModelStats, Slots, Stats
from plotbot.mock.wire import Refused


@dataclass(slots=True, eq=False)
class Instance:
    """A loaded model. `ttl` is in seconds, None for an explicit load.

    `used` is the `time.monotonic()` of its last request, None before the first; an instance does not expire
    before it.
    """

    id: str
    spec: ModelSpec
    context: int
    slots: Slots
    ttl: float | None
    used: float | None = None

    @property
    def expired(self) -> bool:
        if self.ttl is None or self.used is None or self.slots.in_use:
            return False
        return time.monotonic() - self.used > self.ttl


@dataclass(slots=True, eq=False)
class _Load:
    """A load under way; `end` gets the instance, or the refusal."""

    id: str
    spec: ModelSpec
    context: int
    ttl: float | None
    end: asyncio.Future[Instance | Refused]


class ModelStore:
    """The models of one mock. Every method runs on its loop; those that answer a request raise Refused."""

    def __init__(self, scenario: Scenario, stats: Stats) -> None:
        self._scenario = scenario
        self._stats = stats
        self._specs = {spec.key: spec for spec in scenario.models}
        self._instances: dict[str, Instance] = {}
        self._loads: list[_Load] = []
        self._crashed: set[str] = set()
        for spec in scenario.models:
            stats.models[spec.key] = ModelStats(spec.parallel)
            if spec.loaded:
                self._put(_Load(spec.key, spec, spec.context, None, asyncio.get_running_loop().create_future()))

    def specs(self) -> Iterable[ModelSpec]:
        return self._specs.values()

    def instances(self, key: str | None = None) -> list[Instance]:
        """The loaded instances, of one model or all; those past their TTL go first."""
        for instance in [instance for instance in self._instances.values() if instance.expired]:
            del self._instances[instance.id]
        return [instance for instance in self._instances.values() if key in (None, instance.spec.key)]

    def names(self) -> list[str]:
        """What /v1/models lists: with JIT everything on the disk, and copies; without it what is loaded."""
        loaded = [instance.id for instance in self.instances()]
        return [*self._specs, *(name for name in loaded if name not in self._specs)] if self._scenario.jit else loaded

    def find(self, name: str) -> ModelSpec | None:
        """The model behind a key, one of its instances' ids, or key@variant."""
        if name in self._instances:
            return self._instances[name].spec
        return self._specs.get(name) or next((spec for spec in self._specs.values() if spec.variant == name), None)

    async def instance_for(self, name: str, ttl: float | None) -> Instance:
        """The instance that answers a request for *name*: loaded, loaded now, or another in its place."""
        loaded = {instance.id: instance for instance in self.instances()}
        spec = self.find(name)
        key = spec.key if spec is not None and name not in loaded else name
        if key in loaded:
            return self._use(loaded[key], ttl)
        if spec is not None and self._scenario.jit and spec.key not in self._crashed:
            return self._use(await self._load_on_demand(spec, ttl), ttl)
        return self._fallback(name, list(loaded.values()))

    async def load(self, name: str, context: int | None) -> Instance:
        """Load a model explicitly: without a TTL, and evicting no other. A second load of a model is a copy `:2`."""
        spec = self._specs.get(name)
        if spec is None:
            raise Refused(errors.load_not_found(name))
        return await self._finished(self._begin(spec, context or spec.context, None))

    def unload(self, instance_id: str) -> None:
        instance = self._instances.get(instance_id)
        if instance is None:
            raise Refused(errors.instance_not_found(instance_id))
        self._take_away(instance)

    def duplicate(self, instance: Instance) -> Instance:
        """A copy of the instance, loaded at once."""
        end = asyncio.get_running_loop().create_future()
        return self._put(_Load(self._free_id(instance.spec.key), instance.spec, instance.context, instance.ttl, end))

    def interrupt(self, instance: Instance, how: Interrupt) -> Refused:
        """Unload, crash or only interrupt a model in mid answer, and return the response to every request in flight."""
        refused = Refused(errors.flat(how.text))
        if how.stays is not Stays.LOADED:
            self._instances.pop(instance.id, None)
        if how.stays is Stays.CRASHED:
            self._crashed.add(instance.spec.key)
        instance.slots.end_all(refused)
        return refused

    def swap(self, key: str, changes: Mapping[str, Any]) -> None:
        """Put another build of the model in its place: *changes* are fields of its spec."""
        self._specs[key] = replace(self._specs[key], **changes)
        for instance in self.instances(key):
            instance.spec = self._specs[key]
            instance.context = changes.get("context", instance.context)

    def _use(self, instance: Instance, ttl: float | None) -> Instance:
        instance.used = time.monotonic()
        if instance.ttl is not None and ttl is not None:
            instance.ttl = ttl
        return instance

    def _fallback(self, name: str, loaded: list[Instance]) -> Instance:
        """The one loaded model for a name that is not served, or why not.

        Which version answers in which way, and what JIT has to do with it, is [UNVERIFIED]: hence `unknown_model`.
        """
        scenario = self._scenario
        mode = scenario.unknown_model
        if len(loaded) == 1 and (mode == "fallback" or not name):
            return self._use(loaded[0], None)
        if not loaded and (not scenario.jit or mode == "fallback" or name in self._crashed):
            raise Refused(errors.no_models_loaded(scenario.error_version))
        if not name:
            raise Refused(errors.model_omitted())
        known = self.names()
        if mode == "error404":
            raise Refused(errors.model_not_found_404(name, known))
        raise Refused(errors.model_not_found_400(name, known))

    async def _load_on_demand(self, spec: ModelSpec, ttl: float | None) -> Instance:
        same = [load for load in self._loads if load.spec.key == spec.key]
        if same and self._scenario.join_loads:
            return await self._finished(same[0])
        if self._scenario.auto_evict:
            self._evict_others(spec.key)
        return await self._finished(self._begin(spec, spec.context, self._scenario.ttl if ttl is None else ttl))

    def _evict_others(self, key: str) -> None:
        """Keep one model loaded on demand: others end, in mid answer (BT#1796) and in mid load (crush#2546) too."""
        for instance in self.instances():
            if instance.ttl is not None and instance.spec.key != key:
                self._stats.models[instance.spec.key].evictions += 1
                self._take_away(instance)
        for load in [load for load in self._loads if load.ttl is not None and load.spec.key != key]:
            self._end(load, Refused(errors.load_failed(load.spec.key, errors.CANCELED_TEXT)))

    def _begin(self, spec: ModelSpec, context: int, ttl: float | None) -> _Load:
        loop = asyncio.get_running_loop()
        load = _Load(self._free_id(spec.key), spec, context, ttl, loop.create_future())
        self._loads.append(load)
        loop.call_later(spec.load_seconds, self._loaded, load)
        return load

    async def _finished(self, load: _Load) -> Instance:
        """The load's instance. It goes on loading when the client that caused it goes away."""
        end = await asyncio.shield(load.end)
        if isinstance(end, Refused):
            raise end
        return end

    def _loaded(self, load: _Load) -> None:
        if load.end.done():
            return
        if load.spec.load_error is not None:
            self._end(load, Refused(errors.load_failed(load.spec.key, load.spec.load_error)))
            return
        stats = self._stats.models[load.spec.key]
        stats.loads += 1
        self._end(load, self._put(load))

    def _end(self, load: _Load, end: Instance | Refused) -> None:
        self._loads.remove(load)
        load.end.set_result(end)

    def _put(self, load: _Load) -> Instance:
        spec, stats = load.spec, self._stats.models[load.spec.key]
        stats.copies += load.id != spec.key
        slots = Slots(spec.parallel, load.context, stats, unified_kv=self._scenario.unified_kv)
        instance = Instance(load.id, spec, load.context, slots, load.ttl)
        self._instances[load.id] = instance
        self._crashed.discard(spec.key)
        return instance

    def _take_away(self, instance: Instance) -> None:
        del self._instances[instance.id]
        instance.slots.end_all(Refused(errors.flat(errors.UNLOADED_TEXT)))

    def _free_id(self, key: str) -> str:
        taken = {*self._instances, *(load.id for load in self._loads)}
        copies = (f"{key}:{number}" for number in range(2, len(taken) + 3))
        return next(name for name in (key, *copies) if name not in taken)
