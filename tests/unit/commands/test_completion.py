from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plotbot.commands import command_names, main

PROJECT = Path(__file__).parents[3]


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_knows_every_command_and_its_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = script(shell, capsys)
    assert [name for name in command_names() if name not in shown] == []
    assert "list-faults" in shown


def test_bash_takes_the_script_and_completes_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    bash = shutil.which("bash")
    if bash is None or sys.platform == "win32":
        pytest.skip("bash is not here")
    ask = script("bash", capsys) + '\nCOMP_WORDS=(plotbot doc); COMP_CWORD=1; _shtab_plotbot; echo "${COMPREPLY[@]}"'
    done = subprocess.run([bash, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["doctor"]


def test_without_its_library_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 4
    assert "pip install 'plotbot[completion]'" in capsys.readouterr().err


def test_fish_takes_the_script_and_completes_commands_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    fish = shutil.which("fish")
    if fish is None:
        pytest.skip("fish is not here")
    ask = script("fish", capsys) + '\ncomplete -C "plotbot doc"\ncomplete -C "plotbot export --form"\n'
    done = subprocess.run([fish, "--no-config", "-c", ask], capture_output=True, text=True, check=True)
    assert [line.partition("\t")[0] for line in done.stdout.splitlines()] == ["doctor", "--format"]


def test_zsh_takes_the_script_and_completes_commands_and_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zsh = shutil.which("zsh")
    if zsh is None:
        pytest.skip("zsh is not here")
    (tmp_path / "script").write_text(script("zsh", capsys), encoding="utf-8")
    with _at_a_terminal([zsh, "-f", "-i"], tmp_path) as typed:
        typed('autoload -U compinit; compinit -u -D; eval "$(cat script)"; echo read-$((1 + 1))\n', "read-2")
        typed("plotbot doc\t", "plotbot doctor ")
        typed("\x15plotbot export --form\t", "--format ")


@contextmanager
def _at_a_terminal(command: list[str], folder: Path) -> Iterator[Callable[[str, str], None]]:
    """A program at a terminal of its own: what is typed, and the text that is then waited for."""
    import pty  # noqa: PLC0415  Windows does not have it

    ours, its = pty.openpty()
    environ = {**os.environ, "TERM": "dumb", "PS1": "> ", "ZDOTDIR": str(folder)}
    process = subprocess.Popen(
        command, stdin=its, stdout=its, stderr=its, cwd=folder, env=environ, start_new_session=True
    )
    os.close(its)
    limit = threading.Timer(60, process.kill)
    limit.start()

    def typed(text: str, awaited: str) -> None:
        os.write(ours, text.encode())
        shown = ""
        while awaited not in shown:
            shown += os.read(ours, 4096).decode("utf-8", "replace")

    try:
        yield typed
    finally:
        limit.cancel()
        process.kill()
        process.wait()
        os.close(ours)
