"""The conversations of the training: the very messages that plotbot sends, in the model's chat template."""

from __future__ import annotations

import json
from pathlib import Path

from plotbot.ask.servers.handshake import HANDSHAKE
from plotbot.ask.transport.prompts import conversation as system_and_user
from plotbot.ask.transport.prompts import messages
from training.tokenizer import END, START

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
ACKNOWLEDGEMENT = "CONFIRM"
DATA = Path(__file__).resolve().parent.parent / "data"
_MARK = "\x00"


def system_prompt() -> str:
    return (DATA / "prompt.txt").read_text(encoding="utf-8").strip()


def schema() -> dict[str, object]:
    return json.loads((DATA / "story_seed.schema.json").read_text(encoding="utf-8"))


def rendered(conversation: list[dict[str, str]]) -> str:
    """What the chat template makes of the messages."""
    turns = "".join(f"{START}{turn['role']}\n{turn['content']}{END}\n" for turn in conversation)
    return f"{turns}{START}assistant\n"


def prefix() -> str:
    """All that comes before the headline's opening space and quote: the same for every case."""
    whole = rendered(messages(system_prompt(), _MARK, schema()))
    before, found, _ = whole.partition(" " + json.dumps(_MARK))
    if not found:
        raise ValueError("the structured prompt does not end with the headline as a JSON string")
    return before


def suffix(headline: str) -> str:
    """The rest of the conversation, up to where the reply begins."""
    whole = rendered(messages(system_prompt(), headline, schema()))
    return whole[len(prefix()) :]


def handshake() -> str:
    # plotbot asks without the system message; a model that was trained with it confirms either way.
    return rendered(system_and_user(system_prompt(), HANDSHAKE))
