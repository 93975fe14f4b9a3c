"""Prints the versions of Python that pyproject.toml's classifiers name, as a JSON list for the workflow's matrix."""

import json
import re
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FOUND = [re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", one) for one in PROJECT["classifiers"]]
print(json.dumps([one[1] for one in FOUND if one]))
