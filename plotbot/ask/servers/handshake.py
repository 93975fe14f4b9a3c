"""The opening handshake: one plain question that loads a model and shows whether it follows an instruction."""

from __future__ import annotations

import re
from dataclasses import dataclass

from plotbot.ask.transport.chat_client import ChatClient
from plotbot.ask.transport.prompts import Message
from plotbot.records import Exchange, Reply

HANDSHAKE = "Reply CONFIRM when you are ready."
_CONFIRM = re.compile(r"(?<![^\W_])CONFIRM(?:ED)?(?![^\W_])", re.IGNORECASE)
# Thinking that the server left in the text. An opening tag may be missing, and a closing one where it was cut off.
_THINKING = re.compile(
    r"(?:\A|<think(?:ing)?>|\[THINK\]).*?(?:</think(?:ing)?>|\[/THINK\])|(?:<think(?:ing)?>|\[THINK\]).*",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Handshake:
    """The exchange of the handshake, and whether the model answered CONFIRM in it."""

    acknowledged: bool
    exchange: Exchange


def handshake_messages() -> list[Message]:
    """The question alone, as a user message.

    The prompt file is left out: it orders an answer in JSON and nothing else, which CONFIRM would break.
    """
    return [{"role": "user", "content": HANDSHAKE}]


def shake_hands(client: ChatClient, model: str, *, load_timeout: float, seed: int = 0) -> Handshake:
    """Ask *model* whether it is ready. An attempt may take *load_timeout* seconds: it may have to load the model.

    Raises CancelledError once the client is closed or stopped; a server's fault is in the exchange.
    """
    exchange = client.converse(model, handshake_messages(), params={"seed": seed}, timeout=load_timeout)
    return Handshake(exchange.reply is not None and _confirms(exchange.reply), exchange)


def _confirms(reply: Reply) -> bool:
    # Reasoning often repeats the question, so it counts only where the model says nothing else.
    said = _THINKING.sub("", reply.content).strip() or reply.content or reply.reasoning
    return _CONFIRM.search(said.replace(HANDSHAKE, "")) is not None
