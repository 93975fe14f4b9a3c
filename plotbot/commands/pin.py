"""`plotbot pin`: write down which model is served now, so that `pytest evals --pinned` asks no other."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing

from plotbot import __version__
from plotbot.ask.servers.discovery import ServerFacts, resolve_models
from plotbot.ask.servers.host import find_server, fingerprint
from plotbot.ask.servers.pin import Pin, pinned_json
from plotbot.commands.shared import add_settings_arguments, project_settings
from plotbot.errors import KeepError, ServerProblem
from plotbot.keep.filesystem import Disk, write_atomically
from plotbot.records import Fingerprint
from plotbot.run.servers import pool_of, start_embedded
from plotbot.safe import one_line, visible
from plotbot.settings import Settings

HELP = "write down which model is served, for pytest evals --pinned"

Fingerprints = Mapping[str, Fingerprint]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--embedded", action="store_true", help="pin the model that comes with plotbot")
    add_settings_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Raises UsageProblem where there is nothing to pin, or it cannot be told well enough."""
    settings = project_settings(args)
    served = _embedded(settings) if args.embedded else _on_all_hosts(settings)
    try:
        settings.pin_path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(settings.pin_path, pinned_json(served.values()), Disk())
    except OSError as error:
        raise KeepError(f"{settings.pin_path} cannot be written: {error.strerror or error}") from None
    for model in served.values():
        print("\n".join(_lines(model)))
    print(f"\nPinned in {visible(str(settings.pin_path))}. pytest evals --pinned asks nothing else.")
    return 0


def _embedded(settings: Settings) -> Fingerprints:
    with start_embedded(settings) as engine:
        facts = find_server(engine.url, settings, None)
        return {engine.alias: fingerprint(facts, engine.alias, sha256=engine.sha256, engine=engine.version)}


def _on_all_hosts(settings: Settings) -> Fingerprints:
    """What the first host serves; the others must serve the same."""
    with closing(pool_of(settings, version=__version__, warn=_say)) as pool:
        hosts = [found.facts for found in pool.servers()]
    models = resolve_models(hosts[0], settings.model)
    served = {model: _served(hosts[0], model) for model in models}
    for host in hosts[1:]:
        _check_alike(host, models, Pin(settings.pin_path, {str(one.key): one for one in served.values()}))
    return served


def _say(word: str) -> None:
    print(f"plotbot: {visible(word)}", file=sys.stderr)


def _served(facts: ServerFacts, model: str) -> Fingerprint:
    told = facts.model(model)
    if told is not None and told.loaded is False:
        raise ServerProblem(
            f"{one_line(model, 120)} is not loaded, so its context and slots cannot be pinned. Load it (lms load)."
        )
    return fingerprint(facts, model)


def _check_alike(facts: ServerFacts, models: Sequence[str], first: Pin) -> None:
    resolve_models(facts, models)
    for model in models:
        differences = first.differences(_served(facts, model))
        if differences:
            raise ServerProblem(
                f"{facts.url} serves {one_line(model, 120)} otherwise than the first host: "
                f"{'; '.join(map(str, differences))}. Load the same on all of them, or pin one host."
            )


def _lines(served: Fingerprint) -> list[str]:
    width, told = max(map(len, Fingerprint.PINNED)), served.to_json()
    return [f"{field:<{width}}  {visible(str(told[field]))}" for field in Fingerprint.PINNED if field in told]
