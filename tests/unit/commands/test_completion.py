import shutil
import subprocess
import sys
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
