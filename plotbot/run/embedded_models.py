"""The models that the embedded engine serves in a run: their files, and how the engine is started for each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from plotbot.ask.embedded.engine import CONTEXT_LENGTH, MODEL_ID, MODEL_PATH, EngineOptions, check_packaged_model
from plotbot.ask.embedded.gguf import GgufModel, read_model
from plotbot.ask.embedded.memory import Memory, default_threads, needed_bytes
from plotbot.ask.embedded.model_files import find_model_file
from plotbot.ask.servers.host import DEFAULT_SLOTS
from plotbot.ask.servers.model_listing import ModelFacts
from plotbot.errors import EngineError
from plotbot.run.model_hashes import model_sha256
from plotbot.safe import one_line, plural
from plotbot.settings import Settings

_CACHE_STEP = 256
"""The engine rounds a slot's context up to a multiple of this."""
_HOPELESS = 2
"""Beyond so many times the whole memory even an engine that reads weights from the disk as it goes cannot start."""


@dataclass(frozen=True, slots=True)
class EmbeddedModel:
    """One model: its file's header, the options of its engine, and whether it is the packaged one."""

    gguf: GgufModel
    options: EngineOptions
    packaged: bool

    @property
    def name(self) -> str:
        return self.options.alias

    @property
    def needed_bytes(self) -> int:
        return needed_bytes(self.gguf, self.options.context_length, self.options.slots)

    @property
    def described(self) -> str:
        """One line: the file, its size, what it is, and how it is served."""
        gguf, options = self.gguf, self.options
        kind = [one_line(part, 60) for part in (gguf.quantization, gguf.architecture) if part]
        threads = f"{options.threads} thread{'s' if options.threads > 1 else ''}"
        slots = f"{options.slots} slot{'s' if options.slots > 1 else ''}"
        return ", ".join([one_line(gguf.file, 120), size_text(gguf.size_bytes), *kind, slots, threads])

    def listed(self, sha256: str) -> ModelFacts:
        """The model as a server would list it, loaded."""
        gguf, options = self.gguf, self.options
        return ModelFacts(
            self.name,
            loaded=True,
            context_length=options.context_length,
            context_per_slot=True,
            slots=options.slots,
            max_context_length=gguf.context_length,
            quantization=gguf.quantization,
            format="gguf",
            architecture=gguf.architecture,
            size_bytes=gguf.size_bytes or None,
            parameters=gguf.parameters or None,
            chat_template=gguf.chat_template,
            sha256=sha256,
        )

    def with_context(self, wanted: int) -> EmbeddedModel:
        """The model in the context that is set, else in *wanted* tokens; never in more than it was trained for."""
        tokens = min(wanted, self.gguf.context_length or wanted)
        rounded = -(-tokens // _CACHE_STEP) * _CACHE_STEP
        return replace(self, options=replace(self.options, context_length=rounded))


def embedded_models(settings: Settings, environ: Mapping[str, str] = os.environ) -> tuple[EmbeddedModel, ...]:
    """The models of EMBEDDED_MODEL in its order, else the packaged one, as their headers describe them.

    Raises `EngineError` for a file that cannot be used, or two with one name.
    """
    if not settings.embedded_model:
        return (_packaged(settings),)
    models: dict[str, EmbeddedModel] = {}
    for entry in settings.embedded_model:
        model = _of_file(find_model_file(entry, settings.root, environ), settings)
        earlier = models.setdefault(model.name, model)
        if earlier is not model:
            files = " and ".join(one_line(str(one.options.model), 300) for one in (earlier, model))
            raise EngineError(
                f"EMBEDDED_MODEL: {files} would both be called {model.name}. Rename one, or leave it out."
            )
    return tuple(models.values())


def _packaged(settings: Settings) -> EmbeddedModel:
    check_packaged_model()
    options = EngineOptions(
        MODEL_PATH,
        MODEL_ID,
        _slots(settings),
        settings.context_length or CONTEXT_LENGTH,
        # A second thread makes a model of this size slower, much slower on busy cores.
        settings.embedded_threads or 1,
    )
    return EmbeddedModel(read_model(MODEL_PATH), options, packaged=True)


def _of_file(path: Path, settings: Settings) -> EmbeddedModel:
    gguf = read_model(path)
    if gguf.chat_template is None:
        raise EngineError(
            f"{one_line(str(path), 300)} has no chat template, so it cannot be asked as an instruction-tuned model is. "
            "Choose a file whose name has -Instruct, -it or -chat in it."
        )
    most = gguf.context_length
    if settings.context_length is not None and most is not None and settings.context_length > most:
        raise EngineError(
            f"CONTEXT_LENGTH is {settings.context_length}, but {one_line(gguf.name, 120)} has {most} tokens at most. "
            "Lower it."
        )
    options = EngineOptions(
        gguf.paths[0],
        gguf.name,
        _slots(settings),
        settings.context_length or 0,
        settings.embedded_threads or default_threads(),
        settings.embedded_gpu_layers,
    )
    return EmbeddedModel(gguf, options, packaged=False)


def _slots(settings: Settings) -> int:
    return settings.embedded_slots or settings.max_in_flight or DEFAULT_SLOTS


def too_large(model: EmbeddedModel, has: Memory) -> str | None:
    """Why a model may not fit in memory, or None. Raises `EngineError` where it surely does not."""
    needed = model.needed_bytes
    slots = f"{plural(model.options.slots, 'slot')} of {model.options.context_length} tokens"
    what = f"{model.name} needs about {size_text(needed)} of memory ({slots})"
    cure = "Lower EMBEDDED_SLOTS or CONTEXT_LENGTH, or choose a smaller file."
    if has.total is not None and needed > _HOPELESS * has.total:
        raise EngineError(f"{what}, but there are only {size_text(has.total)}. {cure}")
    if has.free is not None and needed > has.free:
        return f"{what}, but {size_text(has.free)} are free: it may be very slow, or be ended by the system. {cure}"
    return None


def sha256_shown(model: EmbeddedModel, settings: Settings, show: Callable[[str], None]) -> str:
    """The SHA-256 of a model's file; *show* hears how far it has been read, for a progress line."""
    total = model.gguf.size_bytes
    done, began = 0, time.monotonic()

    def read(count: int) -> None:
        nonlocal done
        done += count
        seconds = time.monotonic() - began
        show(f"reading {one_line(model.gguf.file, 60)} once for its SHA-256: {share(done, total)}, {seconds:.0f} s")

    return model_sha256(model.gguf, settings, read)


def share(done: int, total: int) -> str:
    """`2.1 of 4.9 GB`, in the unit of the whole."""
    unit, name = _unit(total)
    return f"{min(done, total) / unit:.1f} of {total / unit:.1f} {name}"


def size_text(count: int) -> str:
    unit, name = _unit(count)
    return f"{count / unit:.3g} {name}"


def _unit(count: int) -> tuple[int, str]:
    return next(((unit, name) for unit, name in _UNITS if count >= unit), (1, "bytes"))


_UNITS = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))
