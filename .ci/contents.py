"""Checks what a wheel and an sdist hold: what plotbot needs to run and to be tested, and nothing that a run left."""

import os
import sys
import tarfile
import zipfile

WHEEL = {
    "plotbot/py.typed",
    "plotbot/testing.py",
    "plotbot/mock/scenario.schema.json",
    "plotbot/report/summary.schema.json",
    "plotbot/starter/conftest.py",
    "plotbot/starter/data/titles_index.json",
}
SDIST = {
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "pyproject.toml",
    "plotbot/__init__.py",
    "tests/conftest.py",
    "docs/index.md",
}
NEVER = ("/runs/", "/generated_data/", "/__pycache__/", ".pyc", ".env")


def addresses(wheel: str) -> list[str]:
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    return [line for line in archive.read(metadata).decode().splitlines() if line.startswith("Project-URL: ")]


def names(path: str) -> list[str]:
    if path.endswith(".whl"):
        return zipfile.ZipFile(path).namelist()
    with tarfile.open(path) as archive:
        return [name.partition("/")[2] for name in archive.getnames()]


faults = []
for path in sys.argv[1:]:
    held = names(path)
    faults += [f"{path} lacks {name}" for name in (WHEEL if path.endswith(".whl") else SDIST) - set(held)]
    # tests/ has a project folder that version 0.1 left, runs and answers included.
    own = [name for name in held if not name.startswith("tests/system/data_0_1/")]
    faults += [f"{path} holds {name}" for name in own if any(part in f"/{name}" for part in NEVER)]
    if path.endswith(".whl"):
        faults += [f"{path} holds {name}" for name in held if not name.startswith("plotbot")]
        # hatch_build.py makes them where a workflow builds.
        if "GITHUB_REPOSITORY" in os.environ and not addresses(path):
            faults.append(f"{path} names no address of the project")
print("\n".join(faults) or f"{len(sys.argv) - 1} files hold what they should")
sys.exit(bool(faults))
