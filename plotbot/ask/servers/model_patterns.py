"""`all` and patterns (`qwen*`) in MODEL: which of the servers' language models they mean."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from plotbot.ask.servers.discovery import ServerFacts, name_list
from plotbot.ask.servers.model_listing import ModelFacts
from plotbot.errors import ServerProblem
from plotbot.safe import one_line

EVERY = "all"
_WILD = frozenset("*?[")
_LANGUAGE_KINDS = frozenset({None, "llm", "vlm"})
# Ollama lists embedding models like any other.
_EMBEDS = re.compile(r"(?:^|[-_/:])embed(?:ding)?s?(?:[-_:.]|$)")


def is_pattern(name: str) -> bool:
    """Whether a name in MODEL may mean several models: `all`, or one with `*`, `?` or `[`."""
    return name.lower() == EVERY or not _WILD.isdisjoint(name)


def expand_models(servers: Sequence[ServerFacts], wanted: Sequence[str]) -> tuple[str, ...]:
    """The names of MODEL with what its patterns mean in their places: the language models that all *servers* have.

    A pattern is held against the whole name and against what follows the last `/`, whatever their case. Those of its
    models that are loaded now come first, so that none of them is unloaded and loaded again. A listed model whose own
    name looks like a pattern is that one model. Raises ServerProblem for a pattern that means no model.
    """
    return tuple(dict.fromkeys(name for one in wanted for name in _expanded(servers, one)))


def _expanded(servers: Sequence[ServerFacts], wanted: str) -> Sequence[str]:
    if not is_pattern(wanted) or any(wanted in model.names for model in servers[0].models):
        return [wanted]
    known = dict(_in_common(servers))
    meant = [name for name, model in known.items() if _matches(model, wanted)]
    if not meant:
        raise ServerProblem(_no_match(servers, wanted, list(known)))
    return sorted(meant, key=lambda name: -_times_loaded(servers, name))


def _in_common(servers: Sequence[ServerFacts]) -> Iterator[tuple[str, ModelFacts]]:
    """The language models that all servers have, by a name under which each of them can be asked."""
    for model in servers[0].models:
        if model.kind in _LANGUAGE_KINDS and not model.is_embedding and not _EMBEDS.search(model.id.lower()):
            names = (model.asked_as, model.id)
            name = next((name for name in names if all(_knows(server, name) for server in servers)), None)
            if name is not None:
                yield name, model


def _knows(server: ServerFacts, name: str) -> bool:
    return any(name in model.names for model in server.models)


def _matches(model: ModelFacts, wanted: str) -> bool:
    pattern = wanted.lower()
    names = [part for name in model.names for part in (name.lower(), name.lower().rpartition("/")[2])]
    return pattern == EVERY or any(fnmatchcase(name, pattern) for name in names)


def _times_loaded(servers: Sequence[ServerFacts], name: str) -> int:
    """The number of servers that need not load it: a server that does not say has what it serves in memory."""
    found = (server.model(name) for server in servers)
    return sum(model is not None and model.loaded is not False for model in found)


def _no_match(servers: Sequence[ServerFacts], wanted: str, known: Sequence[str]) -> str:
    where = " and ".join(server.url for server in servers)
    if not known:
        return f"{where} {'have' if len(servers) > 1 else 'has'} no language model{' in common' * (len(servers) > 1)}."
    short = {part.lower(): name for name in known for part in (name, name.rpartition("/")[2])}
    near = difflib.get_close_matches(wanted.lower().strip("*?"), short, n=3, cutoff=0.4)
    hint = f"Did you mean {name_list(short[one] for one in near)}?" if near else f"There is {name_list(known)}."
    return f"{where}: no language model matches {one_line(wanted, 120)}. {hint} Correct MODEL or --model."
