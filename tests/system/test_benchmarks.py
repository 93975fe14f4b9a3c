from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

needs_wait4 = pytest.mark.skipif(not hasattr(os, "wait4"), reason="this system tells no child's processor time")


@pytest.mark.parametrize(
    ("benchmark", "rows"),
    [
        ("saturation", ["thread pool", "pytest evals", "pytest evals -n 4", "24 cases, 4 slots, 20 ms log-normal"]),
        ("overhead", ["50 cases, no latency, 4 slots", "thread pool", "pytest evals"]),
        ("failing", ["all pass", "all fail", "half fail", "KB"]),
        ("scale", ["peak MB", " 20 ", " 60 "]),
        ("stopping", ["-x", "Ctrl-C -n 4"]),
        ("sequential", ["threshold 90%", "INCONCLUSIVE", "requests beyond the decision"]),
        ("hosts", ["slots used", "thread pool", "as a share of another", "cases kept once", "HTTP (the thread pool)"]),
        ("real", ["story-seeds: 8 titles, 4 slots", "tokens/s", "thread pool", "pytest evals -n 4"]),
        ("judging", ["sensitivity", "covered", "a judge that guesses"]),
        ("judge_runs", ["4 commands", "covered", "a judge that guesses", "planted mismatches"]),
        ("auditing", ["exact found", " 200 ", " 400 ", "100.0%      100.0%        0.00%"]),
        ("page", ["view s", "2 x 3 x 2 x 2", "1 x 60 x 1 x 1"]),
        ("size", ["plan MB", " 40 ", " 80 ", " 1000000 "]),
    ],
)
@needs_wait4
def test_a_benchmark_measures_and_prints_its_table(benchmark: str, rows: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{benchmark}", "--quick", "--folder", str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row for row in rows if row not in done.stdout] == []
    assert list(tmp_path.iterdir()) == []
