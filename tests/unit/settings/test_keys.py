"""One attribute of a key decides what `--resume`, `--lf`, `plotbot merge` and the requests go by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from plotbot.errors import InputError
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RunFolder
from plotbot.keep.run_reading import RunOnDisk, read_run
from plotbot.run.resume import as_in, as_recorded, last_session
from plotbot.run.shards import as_shard, refuse_unrelated
from plotbot.settings import Settings, keys, load, load_settings
from plotbot.settings.keys import Decides, Key

WriteRun = Callable[..., RunFolder]
SECOND = "20261123-000000-000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsWithInvented(Settings):
    invented: float


@pytest.fixture
def add_key(monkeypatch: pytest.MonkeyPatch) -> Callable[[Decides | None], None]:
    """Put INVENTED, a number with the default 0.9, into the table, and its field into the settings."""

    def add(decides: Decides | None) -> None:
        key = Key("INVENTED", "number", 0.9, "a key that there is not", high=1, decides=decides, group="how")
        for module in (keys, load):
            monkeypatch.setattr(module, "KEYS", (*keys.KEYS, key))
        monkeypatch.setitem(keys.BY_NAME, key.name, key)
        monkeypatch.setattr(load, "Settings", SettingsWithInvented)

    return add


@pytest.fixture
def recorded(tmp_path: Path, write_run: WriteRun) -> Callable[..., RunOnDisk]:
    """A run with these settings, read back from its files."""

    def write(run_id: str = SECOND, **values: Any) -> RunOnDisk:
        then = load_settings(tmp_path, {}, {"SAMPLE_SEED": "1"}).to_json()["values"] | values
        evals: list[Any] = []
        folder = write_run(tmp_path / "data" / "runs", run_id=run_id, settings=then, evals=evals, fingerprints={})
        return read_run(folder, Disk())

    return write


def today(root: Path, **given: str) -> Settings:
    return load_settings(root, {}, given)


@pytest.mark.parametrize(("decides", "sent"), [("request", True), ("plan", False), ("seed", False), (None, False)])
def test_a_key_that_decides_the_request_is_sent(
    tmp_path: Path, add_key: Callable[..., None], decides: Decides | None, sent: bool
) -> None:
    add_key(decides)
    assert today(tmp_path, INVENTED="0.5").params.get("invented") == (0.5 if sent else None)


@pytest.mark.parametrize("decides", ["plan", "seed", "request"])
def test_a_run_is_not_resumed_with_another_value(
    tmp_path: Path, add_key: Callable[..., None], recorded: Callable[..., RunOnDisk], decides: Decides
) -> None:
    add_key(decides)
    run = recorded(INVENTED=0.5)
    with pytest.raises(InputError, match=r"INVENTED was 0\.5, is 0\.7 \(--invented\)"):
        as_recorded(today(tmp_path, INVENTED="0.7"), run, may_differ=False)
    assert as_recorded(today(tmp_path), run, may_differ=False).to_json()["values"]["INVENTED"] == 0.5


@pytest.mark.parametrize("decides", ["files", "verdict", "gate", None])
def test_a_run_is_resumed_whatever_the_other_keys_are(
    tmp_path: Path, add_key: Callable[..., None], recorded: Callable[..., RunOnDisk], decides: Decides | None
) -> None:
    add_key(decides)
    settings = as_recorded(today(tmp_path, INVENTED="0.7"), recorded(INVENTED=0.5), may_differ=False)
    assert settings.to_json()["values"]["INVENTED"] == 0.7


@pytest.mark.parametrize(("decides", "value"), [("files", 0.5), ("plan", 0.5), ("seed", 0.9), ("request", 0.9)])
def test_the_last_run_s_plan_is_made_again(
    tmp_path: Path, add_key: Callable[..., None], recorded: Callable[..., RunOnDisk], decides: Decides, value: float
) -> None:
    add_key(decides)
    recorded(INVENTED=0.5)
    plan = last_session(today(tmp_path), "last", print)
    assert plan is not None
    assert as_in(plan, today(tmp_path)).to_json()["values"]["INVENTED"] == value
    assert as_in(plan, today(tmp_path, INVENTED="0.7")).to_json()["values"]["INVENTED"] == 0.7


@pytest.mark.parametrize("decides", ["plan", "seed", "request", "verdict", "gate"])
def test_shards_with_different_values_are_not_merged(
    tmp_path: Path, add_key: Callable[..., None], recorded: Callable[..., RunOnDisk], decides: Decides
) -> None:
    add_key(decides)
    runs = recorded(SHARD="1/2", INVENTED=0.5), recorded("20261124-000000-000000", SHARD="2/2", INVENTED=0.7)
    shards = [as_shard(run, today(tmp_path)) for run in runs]
    with pytest.raises(InputError, match=r"INVENTED is 0\.5 in one, 0\.7 in the other"):
        refuse_unrelated(shards, pytest.fail)
