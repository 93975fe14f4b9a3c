"""The baseline: a bare thread pool, one `requests.Session` a slot, that asks about every title and keeps nothing.

`python -m benchmarks.pool WIDTH`, in a project's folder, with PLOTBOT_LM_STUDIO_URL and PLOTBOT_MODEL set. Several URLs
have as many slots each; whichever has been free for longest is asked next.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import requests

from plotbot.ask.transport.prompts import Conversations
from plotbot.records import Question, Title


def main() -> None:
    width, model = int(sys.argv[1]), os.environ["PLOTBOT_MODEL"]
    free: SimpleQueue[tuple[requests.Session, str]] = SimpleQueue()
    for url, _ in zip(itertools.cycle(os.environ["PLOTBOT_LM_STUDIO_URL"].split(",")), range(width), strict=False):
        free.put((requests.Session(), f"{url}/v1/chat/completions"))
    schema = json.loads(Path("data/story_seed.schema.json").read_bytes())
    question, conversations = Question(Path("data/prompt.txt").read_text("utf-8"), schema, "none", ""), Conversations()
    titles: dict[str, str] = json.loads(Path("data/titles_index.json").read_bytes())

    def ask(title: str) -> bool:
        body = {
            "model": model,
            "messages": conversations.about(question, Title("", title)),
            "stream": False,
            "temperature": 0.7,
        }
        session, url = slot = free.get()
        answer = session.post(url, json=body, timeout=90).json()
        free.put(slot)
        return isinstance(json.loads(answer["choices"][0]["message"]["content"]), list)

    with ThreadPoolExecutor(width) as threads:
        good = sum(threads.map(ask, titles.values()))
    print(f"{good} of {len(titles)} good")


if __name__ == "__main__":
    main()
