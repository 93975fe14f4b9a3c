"""`plotbot doctor`: every setting with its origin, then whether the files and the server are ready for a run."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plotbot import __version__
from plotbot.ask.embedded.engine import check_loadable, engine_version
from plotbot.ask.embedded.memory import memory
from plotbot.ask.servers.discovery import ServerFacts, resolve_models
from plotbot.ask.servers.host import find_server
from plotbot.ask.servers.model_listing import ModelFacts
from plotbot.ask.servers.model_patterns import expand_models, is_pattern
from plotbot.commands.output import say
from plotbot.commands.shared import EVALS, add_settings_arguments, evals_of, project_settings
from plotbot.errors import ExitStatus, UsageProblem
from plotbot.judge import compile_schema
from plotbot.plan.inputs import read_prompt, read_schema
from plotbot.plan.titles import read_titles
from plotbot.run.embedded_models import size_text, too_large
from plotbot.run.eval_files import EvalFiles
from plotbot.run.servers import THREADS, Servers, pool_of
from plotbot.safe import one_line, plural, visible
from plotbot.settings import Settings
from plotbot.settings.keys import BY_NAME, KEYS, TOKEN, Key
from plotbot.settings.values import plain

HELP = "show the settings and whether everything is ready to run"
_WIDEST_VALUE = 60
_NOT_SET = {"default", "drawn"}
"""The origins of values that no source sets."""
_MOST_MODELS = 40
_KINDS = {"lmstudio": "LM Studio", "ollama": "Ollama", "vllm": "vLLM", "openai": "an OpenAI-compatible server"}

FindServer = Callable[[str, Settings, str | None], ServerFacts]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked: whether it is ready, and what there is to say or to do."""

    what: str
    ready: bool
    said: str
    details: tuple[str, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--embedded", action="store_true", help="look at the embedded engine instead of a server")
    parser.add_argument("--all", action="store_true", help="every setting, not only what differs from the default")
    add_settings_arguments(parser, BY_NAME)


def run(args: argparse.Namespace) -> int:
    """The verdict first; then what was checked; then the settings that are not the default, or `--all` of them."""
    settings = project_settings(args)
    found = list(checks(settings, find_server, embedded=args.embedded or bool(settings.embedded_model)))
    status = report(found)
    say(f"\nplotbot {__version__}, project {visible(str(settings.root))}")
    lines = settings_lines(settings, every=args.all)
    say("\n".join(lines or ["every setting has its default; --all shows them"]))
    return status


def report(found: Sequence[Check]) -> int:
    """Prints the verdict, then each check; returns the exit status."""
    refused = [check.what for check in found if not check.ready]
    say(f"Not ready, see NO below: {visible(', '.join(refused))}\n" if refused else "Ready: pytest evals\n")
    for check in found:
        say(f"{'ok' if check.ready else 'NO':<3} {visible(check.what)}: {visible(check.said)}")
        for detail in check.details:
            say(f"      {visible(detail)}")
    return ExitStatus.USAGE if refused else ExitStatus.OK


def settings_lines(settings: Settings, *, every: bool = True) -> list[str]:
    """The settings as aligned columns: key, value, origin; without *every* only those that some source sets.

    The token is said to be set, or not, and no more.
    """
    rows = [
        (key.name, _value(settings, key), settings.origins[key.name])
        for key in KEYS
        if every or settings.origins[key.name] not in _NOT_SET
    ]
    if every or settings.lm_api_token is not None:
        rows.append((TOKEN, "not set" if settings.lm_api_token is None else "set, not shown", "environment"))
    if not rows:
        return []
    names, values = (max(len(row[column]) for row in rows) for column in (0, 1))
    return [f"{name:<{names}}  {value:<{values}}  {origin}" for name, value, origin in rows]


def checks(settings: Settings, find: FindServer, *, embedded: bool = False) -> Iterator[Check]:
    asked = _files_of_evals(settings)
    for titles in dict.fromkeys(files.titles for files in asked):
        yield _file("titles", titles, settings, lambda path: plural(len(read_titles(path)), "title"))
    for prompt in dict.fromkeys(prompt for files in asked for prompt in files.prompts):
        yield _file("prompt", prompt, settings, lambda path: plural(len(read_prompt(path)), "character"))
    for schema in dict.fromkeys(files.schema for files in asked):
        yield _file("schema", schema, settings, _read_schema)
    if embedded:
        yield from _engine(settings, asked[0])
    else:
        yield from _servers(settings, find) if settings.executor == THREADS else _workers(settings)


def _files_of_evals(settings: Settings) -> Sequence[EvalFiles]:
    """The files that the settings name; where one of them is missing, those that the project's evals name."""
    own = EvalFiles.of_marker((), {}, settings, "settings")
    if all(path.is_file() for path in (own.titles, own.schema, *own.prompts)) or not (settings.root / EVALS).is_dir():
        return [own]
    try:
        return evals_of(None, settings)
    except UsageProblem:
        return [own]


def _servers(settings: Settings, find: FindServer) -> Iterator[Check]:
    found: list[ServerFacts] = []
    for url in settings.lm_studio_url:
        try:
            found.append(find(url, settings, settings.token_for(url)))
        except UsageProblem as problem:
            yield Check(f"server {url}", ready=False, said=str(problem))
        else:
            yield from _usable(url, found[-1], settings)
    yield from _meant(found, settings)


def _engine(settings: Settings, files: EvalFiles) -> Iterator[Check]:
    """The embedded engine, and whether each of its models can be used and fits in memory; none is loaded for that.

    Its context is what *files* need.
    """
    try:
        yield Check("engine", ready=True, said=engine_version())
    except UsageProblem as problem:
        yield Check("engine", ready=False, said=str(problem))
    asked = {"prompt_path": list(map(str, files.prompts)), "schema_path": str(files.schema)}
    for entry in settings.embedded_model or ("",):
        one = settings.with_values("doctor", embedded_model=[entry] if entry else [], **asked)
        yield _model_file(entry or "that comes with plotbot", Servers(one, embedded=True, ask_user=None, warn=print))


def _model_file(entry: str, servers: Servers) -> Check:
    has = memory()
    try:
        [model] = servers.sized_models()
        problem = too_large(model, has)
        if not model.packaged:
            check_loadable(model.options)
    except UsageProblem as unusable:
        return Check(f"model {entry}", ready=False, said=str(unusable))
    free = "an unknown number of bytes" if has.free is None else size_text(has.free)
    context = f"{model.options.context_length} tokens of context for each slot"
    fits = problem or f"needs about {size_text(model.needed_bytes)} of memory, {free} are free"
    return Check(f"model {entry}", ready=problem is None, said=model.described, details=(context, fits))


def _workers(settings: Settings) -> Iterator[Check]:
    """The Dask workers, and what each says of its server."""
    notes: list[str] = []
    try:
        with closing(pool_of(settings, notes.append)) as pool:
            found = pool.servers()
    except UsageProblem as problem:
        yield Check(f"executor {settings.executor}", ready=False, said=str(problem), details=tuple(notes))
        return
    workers = "1 worker, which has a server" if len(found) == 1 else f"{len(found)} workers, each with a server"
    yield Check(f"executor {settings.executor}", ready=True, said=workers, details=tuple(notes))
    for one in found:
        yield from _usable(one.name, one.facts, settings)
    yield from _meant([one.facts for one in found], settings)


def _meant(found: Sequence[ServerFacts], settings: Settings) -> Iterator[Check]:
    """The models that `all` and patterns mean, in the order in which a run would ask them."""
    if not found or not any(map(is_pattern, settings.model)):
        return
    try:
        names = expand_models(found, settings.model)
    except UsageProblem as problem:
        yield Check("model", ready=False, said=str(problem))
    else:
        what = f"{', '.join(settings.model)} is {plural(len(names), 'model')}, in this order"
        yield Check("model", ready=True, said=what, details=tuple(_as_asked(found[0], name) for name in names))


def _usable(name: str, facts: ServerFacts, settings: Settings) -> Iterator[Check]:
    yield Check(f"server {name}", ready=True, said=_server(facts), details=_models(facts))
    if not any(map(is_pattern, settings.model)):
        yield _chosen(facts, settings.model)


def _value(settings: Settings, key: Key) -> str:
    value = getattr(settings, key.field)
    if settings.origins[key.name] == "drawn" or value in (None, (), {}, frozenset()):
        return key.unset
    paths = [value] if isinstance(value, Path) else value if key.kind == "paths" else None
    told = _text(plain(key, value)) if paths is None else ", ".join(_relative(path, settings.root) for path in paths)
    return one_line(told, _WIDEST_VALUE)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{model}={rate}" for model, rate in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _file(what: str, path: Path, settings: Settings, read: Callable[[Path], str]) -> Check:
    try:
        return Check(what, ready=True, said=f"{read(path)} in {_relative(path, settings.root)}")
    except UsageProblem as problem:
        return Check(what, ready=False, said=str(problem))


def _read_schema(path: Path) -> str:
    schema = compile_schema(read_schema(path), str(path))
    return "; ".join(("a valid JSON Schema", *schema.warnings))


def _server(facts: ServerFacts) -> str:
    kind = _KINDS.get(facts.kind, facts.kind)
    return f"{kind} {facts.version} answers" if facts.version else f"{kind} answers"


def _models(facts: ServerFacts) -> tuple[str, ...]:
    lines = [_model(model) for model in facts.models[:_MOST_MODELS]]
    more = len(facts.models) - len(lines)
    return (*lines, f"and {more} more") if more else tuple(lines)


def _model(model: ModelFacts) -> str:
    state = {True: "loaded", False: "not loaded", None: "listed"}[model.loaded]
    each = " for each slot" if model.context_per_slot else ""
    context = f", context {model.context_length}{each}" if model.context_length else ""
    slots = f", {plural(model.slots, 'slot')}" if model.slots else ""
    return f"{model.id}: {state}{context}{slots}"


def _chosen(facts: ServerFacts, wanted: tuple[str, ...]) -> Check:
    try:
        names = resolve_models(facts, wanted)
    except UsageProblem as problem:
        return Check("model", ready=False, said=str(problem))
    return Check("model", ready=True, said=", ".join(_as_asked(facts, name) for name in names))


def _as_asked(facts: ServerFacts, name: str) -> str:
    model = facts.model(name)
    waits = model is not None and model.loaded is False
    return f"{name} (the server will load it when it is first asked)" if waits else name
