"""`plotbot pin`: write down which model is served now, so that `pytest evals --pinned` asks no other."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from plotbot.ask.servers.host import Host
from plotbot.ask.servers.pin import Pin, pinned_json
from plotbot.commands.output import complain, say
from plotbot.commands.shared import add_settings_arguments, project_settings
from plotbot.errors import KeepError, ServerProblem
from plotbot.fingerprint import Fingerprint
from plotbot.keep.filesystem import Disk, write_atomically
from plotbot.run.servers import Servers
from plotbot.safe import one_line, visible
from plotbot.settings import Settings

_SETTINGS = (
    "PIN_PATH", "LM_STUDIO_URL", "MODEL", "EXECUTOR", "REQUEST_TIMEOUT", "LOAD_TIMEOUT", "MAX_IN_FLIGHT",
    "CONTEXT_LENGTH", "EMBEDDED_MODEL", "EMBEDDED_SLOTS", "EMBEDDED_THREADS", "EMBEDDED_GPU_LAYERS", "RUNS_DIR",
    "PROMPT_PATH", "SCHEMA_PATH", "MAX_TOKENS",
)  # fmt: skip
HELP = "write down which model is served, for pytest evals --pinned"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--embedded", action="store_true", help="pin the model that comes with plotbot, or those of EMBEDDED_MODEL"
    )
    add_settings_arguments(parser, _SETTINGS)


def run(args: argparse.Namespace) -> int:
    """Raises UsageProblem where there is nothing to pin, or the server does not tell enough of it."""
    settings = project_settings(args)
    first, *others = _hosts(settings, embedded=args.embedded)
    pin = Pin(settings.pin_path, {str(served.key): served for served in _loaded(first)})
    for host in others:
        _check_alike(host, pin)
    try:
        settings.pin_path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(settings.pin_path, pinned_json(pin.models.values()), Disk())
    except OSError as error:
        raise KeepError(f"{settings.pin_path} cannot be written: {error.strerror or error}") from None
    for model in pin.models.values():
        say("\n".join(_lines(model)))
    say(f"\nPinned in {visible(str(settings.pin_path))}. pytest evals --pinned asks nothing else.")
    return 0


def _hosts(settings: Settings, *, embedded: bool) -> Sequence[Host]:
    servers = Servers(settings, embedded=embedded, ask_user=None, warn=complain)
    try:
        return servers.find(servers.models())
    finally:
        servers.stop()


def _loaded(host: Host) -> list[Fingerprint]:
    """The fingerprints of a host's models. Raises ServerProblem for one that is not loaded."""
    for model in host.models:
        if host.listed(model).loaded is False:
            raise ServerProblem(
                f"{one_line(model, 120)} is not loaded, so its context and slots cannot be pinned. Load it (lms load)."
            )
    return list(host.fingerprints.values())


def _check_alike(host: Host, first: Pin) -> None:
    for served in _loaded(host):
        if differences := first.differences(served):
            raise ServerProblem(
                f"{host.facts.url} serves {one_line(str(served.model), 120)} otherwise than the first host: "
                f"{'; '.join(map(str, differences))}. Load the same on all of them, or pin one host."
            )


def _lines(served: Fingerprint) -> list[str]:
    width, told = max(map(len, Fingerprint.PINNED)), served.to_json()
    return [f"{field:<{width}}  {visible(str(told[field]))}" for field in Fingerprint.PINNED if field in told]
