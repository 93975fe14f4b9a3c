"""`plotbot pin`, and runs that may ask the pinned model and no other."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plotbot.ask.embedded import MODEL_ID, MODEL_SHA256
from plotbot.mock import MockServer, ModelSpec, Rule
from tests.processes import run_module

StartMock = Callable[..., MockServer]
Run = Callable[..., subprocess.CompletedProcess[str]]

REPOSITORY = Path(__file__).parents[2]
MODEL = ModelSpec("qwen/qwen3-4b", context=16384)


@pytest.fixture
def project(tmp_path: Path, make_project: Callable[[Path], Path]) -> Path:
    return make_project(tmp_path)


@pytest.fixture
def pin(project: Path) -> Run:
    """`plotbot pin` in the project."""

    return lambda *arguments: run_module(project, "plotbot", "pin", *arguments)


@pytest.fixture
def pinned(project: Path, run_pytest: Run) -> Run:
    """`pytest evals --pinned` against a server."""

    def run(server: MockServer, *arguments: str) -> subprocess.CompletedProcess[str]:
        given = ("--lm-studio-url", server.url, "--sample-seed=1", "--test-sample-size=6", *arguments)
        return run_pytest(project, "evals", "--pinned", *given)

    return run


def asked_for(server: MockServer) -> list[str]:
    return [request.path for request in server.requests if request.method != "GET"]


def test_what_was_pinned_may_be_asked(start_mock: StartMock, pin: Run, pinned: Run, project: Path) -> None:
    server = start_mock(models=(MODEL, ModelSpec("other", loaded=False)))
    told = pin("--lm-studio-url", server.url)
    assert told.returncode == 0, told.stderr
    assert "context_length  16384" in told.stdout
    assert asked_for(server) == [], "it is pinned by GET"
    (model,) = json.loads((project / "config" / "pin.json").read_bytes())["models"].values()
    assert model == {
        "key": "qwen/qwen3-4b",
        "quantization": "Q4_K_M",
        "format": "gguf",
        "architecture": "llama",
        "size_bytes": 2_500_000_000,
        "variant": "qwen/qwen3-4b@q4_k_m",
        "context_length": 16384,
        "slots": 4,
        "server": "lmstudio",
    }
    result = pinned(server)
    assert result.returncode == 0, result.stdout
    assert "wrong_model" not in result.stdout


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"quantization": "Q8_0"}, ("quantization: pinned Q4_K_M, served Q8_0", "variant: pinned")),
        ({"context": 8192}, ("context_length: pinned 16384, served 8192",)),
        ({"parallel": 2, "format": "mlx"}, ("format: pinned gguf, served mlx", "slots: pinned 4, served 2")),
        ({"size_bytes": 7, "architecture": "qwen3"}, ("architecture: pinned llama, served qwen3", "size_bytes:")),
        ({"loaded": False}, ("context_length: pinned 16384, served not told", "load it first")),
    ],
)
@pytest.mark.parametrize("workers", ["0", "2"])
def test_another_build_is_refused_field_by_field_before_anything_is_asked(
    start_mock: StartMock, pin: Run, pinned: Run, changes: dict[str, Any], said: tuple[str, ...], workers: str
) -> None:
    assert pin("--lm-studio-url", start_mock(models=(MODEL,)).url).returncode == 0
    server = start_mock(models=(replace(MODEL, **changes),))
    result = pinned(server, "-n", workers)
    assert result.returncode == 4
    assert [words for words in said if words not in result.stdout + result.stderr] == []
    assert asked_for(server) == []


def test_another_model_is_refused_by_its_key(start_mock: StartMock, pin: Run, pinned: Run) -> None:
    assert pin("--lm-studio-url", start_mock(models=(MODEL,)).url).returncode == 0
    server = start_mock(models=(ModelSpec("llama-3"),))
    result = pinned(server, "--model=llama-3")
    assert result.returncode == 4
    assert "key: pinned qwen/qwen3-4b, served llama-3" in result.stderr
    without_model = pinned(server)
    assert without_model.returncode == 4
    assert "has no model qwen/qwen3-4b" in without_model.stderr
    assert asked_for(server) == []


def test_without_model_the_pinned_one_is_asked_of_several(start_mock: StartMock, pin: Run, pinned: Run) -> None:
    server = start_mock(models=(MODEL, ModelSpec("other")))
    assert pin("--lm-studio-url", server.url, "--model=qwen/qwen3-4b").returncode == 0
    assert pinned(server).returncode == 0
    assert (server.stats().models["qwen/qwen3-4b"].requests, server.stats().models["other"].requests) == (6, 0)


def test_load_and_pinned_together_load_what_is_pinned(start_mock: StartMock, pin: Run, pinned: Run) -> None:
    assert pin("--lm-studio-url", start_mock(models=(MODEL,)).url).returncode == 0
    waiting = replace(MODEL, loaded=False, context=4096)
    server = start_mock(models=(waiting,))
    assert pinned(server, "--load", "--context-length=16384").returncode == 0
    other = start_mock(models=(waiting,))
    refused = pinned(other, "--load", "--context-length=8192")
    assert refused.returncode == 4
    assert "context_length: pinned 16384, served 8192" in refused.stderr
    assert other.stats().models[MODEL.key].requests == other.stats().models[MODEL.key].handshakes == 0


@pytest.mark.parametrize("swap", [{"quantization": "Q8_0"}, {"context": 8192}])
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_model_swapped_in_mid_run_is_found_out_at_its_end(
    start_mock: StartMock, pin: Run, pinned: Run, run_file: Callable[[Path, str], Any], project: Path,
    swap: dict[str, Any], workers: str,
) -> None:  # fmt: skip
    server = start_mock(models=(MODEL,), rules=(Rule(nth=(4,), swap=swap),))
    assert pin("--lm-studio-url", server.url).returncode == 0
    result = pinned(server, "-n", workers)
    assert result.returncode == 10
    field = "quantization: pinned Q4_K_M, served Q8_0" if "quantization" in swap else "served 8192"
    (said,) = [line for line in result.stdout.splitlines() if "wrong_model: " in line]
    assert field in said
    assert "planned 6 = 6 passed" in result.stdout
    (told,) = run_file(project, "summary.json")["wrong_models"]
    assert field in told


def test_a_reply_under_another_name_is_an_error_of_its_own(start_mock: StartMock, pin: Run, pinned: Run) -> None:
    server = start_mock(models=(MODEL,), rules=(Rule(nth=(2,), fault="F14.other"),))
    assert pin("--lm-studio-url", server.url).returncode == 0
    result = pinned(server)
    assert result.returncode == 10
    assert "errors: wrong_model 1" in result.stdout
    assert "5 passed + 0 failed + 1 error" in result.stdout


def test_a_server_that_is_gone_at_the_end_leaves_it_open_what_was_asked(
    start_mock: StartMock, pin: Run, pinned: Run
) -> None:
    server = start_mock(models=(MODEL,), rules=(Rule(nth=(6,), fault="F31"),))
    assert pin("--lm-studio-url", server.url).returncode == 0
    result = pinned(server, "--max-in-flight=1", "--request-retry-limit=0")
    assert result.returncode == 10
    assert "it cannot be told whether the pinned model was asked to the end" in result.stdout


def test_without_pinned_the_pin_is_not_read(start_mock: StartMock, project: Path, run_pytest: Run) -> None:
    server = start_mock(models=(MODEL,))
    (project / "config").mkdir()
    (project / "config" / "pin.json").write_text("nonsense", encoding="utf-8")
    assert run_pytest(project, "evals", "--lm-studio-url", server.url, "--test-sample-size=1").returncode == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "there is no pin. Write it with `plotbot pin`"), (b'{"models": ', "the pin is not JSON")],
)
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_pin_that_cannot_be_used_ends_in_a_sentence(
    start_mock: StartMock, pinned: Run, project: Path, content: bytes | None, said: str, workers: str
) -> None:
    server = start_mock(models=(MODEL,))
    if content is not None:
        (project / "other.json").write_bytes(content)
    result = pinned(server, "--pin-path=other.json", "--model=qwen/qwen3-4b", "-n", workers)
    assert result.returncode == 4
    assert said in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert asked_for(server) == []


def test_a_model_that_is_not_loaded_is_not_pinned(start_mock: StartMock, pin: Run, project: Path) -> None:
    server = start_mock(models=(replace(MODEL, loaded=False),))
    told = pin("--lm-studio-url", server.url, "--model=qwen/qwen3-4b")
    assert told.returncode == 4
    assert "is not loaded, so its context and slots cannot be pinned" in told.stderr
    assert not (project / "config" / "pin.json").exists()


def test_hosts_that_serve_different_builds_are_not_pinned_together(start_mock: StartMock, pin: Run) -> None:
    one, other = start_mock(models=(MODEL,)), start_mock(models=(replace(MODEL, quantization="Q8_0"),))
    told = pin("--lm-studio-url", one.url, "--lm-studio-url", other.url)
    assert told.returncode == 4
    assert "quantization: pinned Q4_K_M, served Q8_0" in told.stderr


def test_the_embedded_model_is_pinned_by_its_sha256(pin: Run, project: Path, run_pytest: Run) -> None:
    pytest.importorskip("xllamacpp")
    told = pin("--embedded", "--context-length=1024", "--max-in-flight=2")
    assert told.returncode == 0, told.stderr
    assert "context_length  1024\nslots           2\n" in told.stdout
    assert pin("--embedded").returncode == 0
    path = project / "config" / "pin.json"
    data = json.loads(path.read_bytes())
    assert run_pytest(project, "evals", "--embedded", "--pinned", "--test-sample-size=1").returncode in {0, 1}
    (model,) = data["models"].values()
    assert len(model["sha256"]) == 64
    assert model["engine"].startswith("xllamacpp 20")
    model["sha256"] = "0" * 64
    path.write_text(json.dumps(data), encoding="utf-8")
    refused = run_pytest(project, "evals", "--embedded", "--pinned", "--test-sample-size=1")
    assert refused.returncode == 4
    assert f"sha256: pinned {'0' * 64}, served " in refused.stderr


def test_this_project_pins_the_model_that_it_ships() -> None:
    (model,) = json.loads((REPOSITORY / "config" / "pin.json").read_bytes())["models"].values()
    assert (model["key"], model["sha256"]) == (MODEL_ID, MODEL_SHA256)
