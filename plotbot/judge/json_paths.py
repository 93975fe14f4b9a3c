"""Places in a JSON value or in a schema, as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from plotbot.safe import one_line

_LONGEST_KEY = 40
_LONGEST_PATH = 200
_PLAIN_KEY = re.compile(r"[A-Za-z_]\w{0,39}", re.ASCII)


def json_path(steps: Iterable[str | int]) -> str:
    """The JSON path of the steps from the root: `$[0].themes[2]`.

    A key that is not a plain name is quoted, in ASCII, and cut to 40 characters; the path is cut to 200.
    """
    path = "$" + "".join(map(_step, steps))
    return path if len(path) <= _LONGEST_PATH else path[: _LONGEST_PATH - 1] + "…"


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _PLAIN_KEY.fullmatch(step) else f"[{json.dumps(one_line(step, _LONGEST_KEY))}]"
