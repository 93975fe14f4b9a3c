"""The baseline: a bare thread pool, one `requests.Session` a thread, that asks about every title and keeps nothing.

`python -m benchmarks.pool WIDTH`, in a project's folder, with PLOTBOT_LM_STUDIO_URL and PLOTBOT_MODEL set.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from plotbot.ask.prompts import messages


def main() -> None:
    local = threading.local()
    url, model = f"{os.environ['PLOTBOT_LM_STUDIO_URL']}/v1/chat/completions", os.environ["PLOTBOT_MODEL"]
    prompt, schema = (
        Path("data/prompt.txt").read_text("utf-8"),
        json.loads(Path("data/story_seed.schema.json").read_bytes()),
    )
    titles: dict[str, str] = json.loads(Path("data/titles_index.json").read_bytes())

    def ask(title: str) -> bool:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        body = {"model": model, "messages": messages(prompt, title, schema), "stream": False, "temperature": 0.7}
        answer = local.session.post(url, json=body, timeout=90).json()
        return isinstance(json.loads(answer["choices"][0]["message"]["content"]), list)

    with ThreadPoolExecutor(int(sys.argv[1])) as threads:
        good = sum(threads.map(ask, titles.values()))
    print(f"{good} of {len(titles)} good")


if __name__ == "__main__":
    main()
