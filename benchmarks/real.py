"""A real model, asked by a bare thread pool and by plotbot in turns: `python -m benchmarks.real [FILE.gguf] [--quick]`.

Both ask one embedded engine for the same, at temperature 0: the same messages and parameters. The engine runs on this
machine, beside the one that asks: what plotbot computes it takes from the model's own time. Tokens a second are those
of all replies over the wall time of the whole process, from starting Python. The pool keeps and judges nothing.
"cpu s" is the processor time of the one that asks, "engine" that of the engine meanwhile (on Linux): where other
programs use the machine only these can be compared. Without a FILE the packaged tiny model is asked.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import requests

from benchmarks.measuring import Run, checked, evals, in_turns, measure, median, options, project
from plotbot.ask.embedded import MODEL_PATH, EmbeddedEngine, EngineOptions
from plotbot.ask.embedded.gguf import read_model
from plotbot.ask.transport.prompts import Conversations
from plotbot.records import Question, Title

POOL, ONE, FOUR = "thread pool", "pytest evals", "pytest evals -n 4"
CONTEXT, SLOTS, LOAD_SECONDS = 2048, 4, 600.0
REPLIES = "tokens.json"
ASK_AS_POOL = "--pool"


@dataclass(frozen=True, slots=True)
class Told:
    """How many tokens the replies of a run had, and the processor seconds that the engine took for them."""

    tokens: int
    engine: float


def main() -> None:
    if sys.argv[1:2] == [ASK_AS_POOL]:
        _ask_as_pool(sys.argv[2], json.loads(sys.argv[3]))
        return
    given = options(__doc__, repeat=3)
    given.add_argument("file", type=Path, nargs="?", default=MODEL_PATH, help="the GGUF file")
    given.add_argument("--titles", type=int, default=16)
    given.add_argument("--max-tokens", type=int, default=256)
    given.add_argument("--threads", type=int, default=1, help="the engine's")
    chosen = given.parse_args()
    model = read_model(chosen.file)
    titles, repeat = (8, 1) if chosen.quick else (chosen.titles, chosen.repeat)
    engine = EmbeddedEngine(EngineOptions(chosen.file, model.name, SLOTS, CONTEXT, chosen.threads))
    with engine, project(titles, chosen.folder) as root:
        engine.wait_until_ready(LOAD_SECONDS)
        told: dict[str, list[Told]] = {}
        done = in_turns(_runs(engine, chosen.max_tokens, root, told), repeat)
        print(f"{model.name}: {titles} titles, {SLOTS} slots, {chosen.threads} threads, {os.cpu_count()} processors")
        _show(done, told)


def _runs(
    engine: EmbeddedEngine, max_tokens: int, root: Path, told: dict[str, list[Told]]
) -> dict[str, Callable[[], Run]]:
    name = engine.options.alias
    params = {"model": name, "max_tokens": max_tokens, "temperature": 0, "top_k": 40, "top_p": 0.95, "min_p": 0.05}
    asked = [f"--lm-studio-url={engine.url}", f"--model={name}", f"--max-tokens={max_tokens}", "--temperature=0"]
    asked += ["--confirm=skip", "--request-timeout=600"]
    pool = [sys.executable, "-m", "benchmarks.real", ASK_AS_POOL, engine.url, json.dumps(params)]
    commands = {POOL: pool, ONE: evals(*asked), FOUR: evals("-n4", *asked)}
    return {
        name: partial(_run, command, root, engine.pid, told.setdefault(name, [])) for name, command in commands.items()
    }


def _run(command: list[str], root: Path, engine: int, told: list[Told]) -> Run:
    """Status 1 is a model's failures: a small model has them."""
    before = _processor_seconds(engine)
    run = measure(command, root)
    told.append(Told(_tokens(root), _processor_seconds(engine) - before))
    return run if run.status == 1 else checked(run)


def _processor_seconds(pid: int) -> float:
    """What a process has used so far; 0 on a system other than Linux."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.is_file():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _tokens(root: Path) -> int:
    """How many tokens the replies have that the last run has left there, by the engine's own count."""
    journals = list((root / "data" / "runs").glob("2*/journal.jsonl"))
    if not journals:
        return sum(json.loads((root / REPLIES).read_bytes()))
    lines = [json.loads(line) for line in journals[0].read_bytes().splitlines()]
    return sum(line["data"]["reply"]["completion_tokens"] for line in lines if line["kind"] == "exchange")


def _ask_as_pool(url: str, params: Mapping[str, Any]) -> None:
    schema = json.loads(Path("data/story_seed.schema.json").read_bytes())
    question, conversations = Question(Path("data/prompt.txt").read_text("utf-8"), schema, "none", ""), Conversations()
    titles: dict[str, str] = json.loads(Path("data/titles_index.json").read_bytes())

    def ask(title: str) -> int:
        body = {
            **params,
            "messages": conversations.about(question, Title("", title)),
            "stream": False,
            "repeat_penalty": 1.0,
        }
        answer = requests.post(f"{url}/v1/chat/completions", json=body, timeout=600).json()
        return int(answer["usage"]["completion_tokens"])

    with ThreadPoolExecutor(SLOTS) as threads:
        Path(REPLIES).write_text(json.dumps(list(threads.map(ask, titles.values()))), encoding="utf-8")


def _show(done: Mapping[str, list[Run]], told: Mapping[str, list[Told]]) -> None:
    base = _speed(done[POOL], told[POOL])
    print(f"{'':20} {'wall s':>8} {'tokens/s':>9} {'x pool':>8} {'cpu s':>7} {'engine':>8}")
    for name, runs in done.items():
        wall, cpu = median(runs, lambda run: run.wall), median(runs, lambda run: run.cpu)
        speed, engine = _speed(runs, told[name]), statistics.median(one.engine for one in told[name])
        print(f"{name:20} {wall:8.2f} {speed:9.1f} {speed / base:8.3f} {cpu:7.2f} {engine:8.2f}")


def _speed(runs: list[Run], told: list[Told]) -> float:
    """Tokens a second, the median of the runs."""
    return statistics.median(one.tokens / run.wall for one, run in zip(told, runs, strict=True))


if __name__ == "__main__":
    main()
