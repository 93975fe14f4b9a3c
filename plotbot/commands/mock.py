"""`plotbot mock`: an LM Studio stand-in to write evals against, or to see how plotbot handles its faults.

It first prints one JSON object with its `url`, and at its end its statistics as another.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import inf
from pathlib import Path
from types import FrameType

from plotbot.errors import InputError, ServerProblem, SettingsError
from plotbot.mock import FAULTS, SHAPES, Latency, MockServer, ModelSpec, Rule, Scenario
from plotbot.mock.scenario import load_scenario

HELP = "serve a stand-in for LM Studio, with its known faults"
_POLL_SECONDS = 0.2  # Windows wakes a waiting main thread for Ctrl-C only between waits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options, which override the scenario file."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=1234, help="0 takes a free one (default: LM Studio's, 1234)")
    parser.add_argument("--scenario", type=Path, metavar="FILE", help="models, temper and rules as JSON")
    parser.add_argument("--model", action="append", metavar="NAME", help="a loaded model; may be repeated")
    parser.add_argument("--parallel", type=int, metavar="N", help="slots of every model (default: 4)")
    parser.add_argument("--context", type=int, metavar="TOKENS", help="context of every model (default: 32768)")
    parser.add_argument("--not-loaded", action="store_true", help="every model is loaded by its first request")
    parser.add_argument("--load-seconds", type=float, metavar="S", help="time that such a load takes (default: 0)")
    parser.add_argument("--latency", type=float, metavar="S", help="seconds that a reply takes (default: 0)")
    parser.add_argument("--sigma", type=float, metavar="X", help="makes the latency log-normal, with that mean")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="ID[:P]",
        help="play a fault in every reply, or with probability P (F05:0.1); may be repeated, before the file's rules",
    )
    parser.add_argument("--seed", type=int, help="decides probabilities and latencies (default: 0)")
    parser.add_argument("--token", help="ask for this bearer token")
    parser.add_argument("--list-faults", action="store_true", help="print all faults and shapes, and end")


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM. Raises UsageProblem for a bad option, a bad scenario or a taken port."""
    if args.list_faults:
        print(_fault_table())
        return 0
    scenario = scenario_from(args)
    try:
        server = MockServer(scenario, host=args.host, port=args.port, keep_requests=0)
    except OSError as error:
        raise ServerProblem(f"cannot listen on {args.host}:{args.port}: {error}; try --port 0") from None
    with _stop_signals() as stop, server:
        models = [model.key for model in scenario.models]
        print(json.dumps({"url": server.url, "pid": os.getpid(), "models": models}), flush=True)
        while not stop.wait(_POLL_SECONDS):
            pass
        stats = server.stats().to_json()
    print(json.dumps(stats), flush=True)
    return 0


def scenario_from(args: argparse.Namespace) -> Scenario:
    """The scenario file's, or the default one, with every option that was given on top."""
    scenario = Scenario() if args.scenario is None else load_scenario(args.scenario)
    if args.seed is not None:
        scenario = replace(scenario, seed=args.seed)
    if args.token is not None:
        scenario = replace(scenario, token=args.token)
    rules = (*(_fault_rule(text) for text in args.fault), *scenario.rules)
    return replace(scenario, rules=rules, models=_models(args, scenario), latency=_latency(args, scenario))


def _models(args: argparse.Namespace, scenario: Scenario) -> tuple[ModelSpec, ...]:
    specs = scenario.models if args.model is None else tuple(ModelSpec(name) for name in args.model)
    given = {"parallel": args.parallel, "context": args.context, "load_seconds": args.load_seconds}
    changes = {key: value for key, value in given.items() if value is not None}
    for key, value in changes.items():
        if not (0 if key == "load_seconds" else 1) <= value < inf:
            raise SettingsError(f"--{key.replace('_', '-')} {value}: out of range")
    if args.not_loaded:
        changes["loaded"] = False
    return tuple(replace(spec, **changes) for spec in specs)


def _latency(args: argparse.Namespace, scenario: Scenario) -> Latency:
    mean = scenario.latency.mean if args.latency is None else args.latency
    sigma = scenario.latency.sigma if args.sigma is None else args.sigma
    if not (0 <= mean < inf and 0 <= sigma < inf and (sigma == 0 or mean > 0)):
        raise SettingsError(f"--latency {mean} --sigma {sigma}: neither is negative, and sigma needs a latency over 0")
    return Latency(mean, sigma, scenario.latency.seed if args.seed is None else args.seed)


def _fault_rule(text: str) -> Rule:
    fault, _, probability = text.partition(":")
    try:
        return Rule(fault=fault, probability=float(probability) if probability else None)
    except ValueError as error:
        raise InputError(f"--fault {text}: {error}") from None


def _fault_table() -> str:
    faults = [
        f"{name:<14}{fault.does}  [{fault.source}]"
        f"{'  UNVERIFIED' if fault.unverified else ''}{'' if fault.act else '  needs streaming: not played'}"
        for name, fault in FAULTS.items()
    ]
    shapes = [f"{name:<22}{shape.does}" for name, shape in SHAPES.items()]
    return "\n".join(["Faults (--fault, or `fault` in a rule):", *faults, "", "Shapes (`shape` in a rule):", *shapes])


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, for as long as the context lasts."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
