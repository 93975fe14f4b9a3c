"""`plotbot prompt [EVAL]`: prints what a model would be sent, letter for letter, without sending it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

from plotbot.ask.transport.auth import Auth
from plotbot.ask.transport.http import HttpSession
from plotbot.ask.transport.prompts import Conversations, Message
from plotbot.ask.transport.templates import refuse_unknown_names
from plotbot.ask.transport.urls import base_url
from plotbot.commands.shared import add_settings_arguments, evals_of, project_settings
from plotbot.errors import AskError, ExitStatus, UsageProblem
from plotbot.records import Title
from plotbot.run.answers import titles_at
from plotbot.run.eval_files import EvalFiles, Schemas, read_questions, refuse_missing
from plotbot.safe import plural, visible
from plotbot.settings import Settings

HELP = "print what a model would be sent about a title, with its length, and send nothing"
_SETTINGS = (
    "TITLES_PATH", "ANSWERS", "PROMPT_PATH", "TEMPLATE_PATH", "SCHEMA_PATH", "RESPONSE_FORMAT", "TEMPERATURE",
    "REASONING_EFFORT", "LM_STUDIO_URL",
)  # fmt: skip
_TOKENIZER_SECONDS = 2.0
_MOST_BYTES = 20_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = "an eval as pytest names it (evals/test_haiku.py, …::test_haiku); default: those in evals"
    parser.add_argument("eval", nargs="?", metavar="EVAL", help=what)
    parser.add_argument("--title", metavar="ID", help="the title's id; default: the first title of the file")
    add_settings_arguments(parser, _SETTINGS)


def run(args: argparse.Namespace) -> int:
    """Print the messages of each eval and variant. Raises `UsageProblem` for an eval or a title that is not there."""
    settings = project_settings(args)
    for files in evals_of(args.eval, settings):
        title = _title(files, args.title, settings)
        for name, messages in _conversations(files, title, settings):
            _show(f"{files.where}{f', {name}' if name else ''}, title {title.id}", messages, settings)
    return ExitStatus.OK


def _title(files: EvalFiles, wanted: str | None, settings: Settings) -> Title:
    refuse_missing(files, settings.root, {role for role, _ in files.by_role})
    titles = titles_at(files.titles)
    title = titles[0] if wanted is None else next((title for title in titles if title.id == wanted), None)
    if title is None:
        raise UsageProblem(f"{files.titles}: there is no title with the id {wanted!r}: name one of this file")
    return title


def _conversations(files: EvalFiles, title: Title, settings: Settings) -> Iterator[tuple[str, list[Message]]]:
    for variant, question in read_questions(files, settings, Schemas()).items():
        if files.template is not None:
            refuse_unknown_names(question.template, [title], str(files.template))
        yield variant.name, Conversations().about(question, title)


def _show(what: str, messages: Sequence[Message], settings: Settings) -> None:
    length = sum(len(message["content"]) for message in messages)
    tokens = _tokens(messages, settings)
    counted = "" if tokens is None else f", {plural(tokens, 'token')}"
    print(f"# {visible(what)}: {plural(length, 'character')}{counted}")
    for message in messages:
        print(f"\n# {message['role']} ({plural(len(message['content']), 'character')})\n{visible(message['content'])}")
    print()


def _tokens(messages: Sequence[Message], settings: Settings) -> int | None:
    """How many tokens the first server's model reads, as llama.cpp's server tells; None where no server does."""
    prompt = _told(settings, "/apply-template", {"messages": list(messages)}).get("prompt")
    if not isinstance(prompt, str):
        return None
    tokens = _told(settings, "/tokenize", {"content": prompt, "add_special": True, "parse_special": True}).get("tokens")
    return len(tokens) if isinstance(tokens, list) else None


def _told(settings: Settings, path: str, asked: Any) -> dict[str, Any]:
    """The JSON object that the first server answers to a POST; empty where it does not know the path."""
    token = None if settings.lm_api_token is None else settings.lm_api_token.reveal()
    with closing(HttpSession()) as session:
        try:
            answer = session.request(
                "POST",
                f"{base_url(settings.lm_studio_url[0])}{path}",
                headers=Auth(token).headers,
                deadline_seconds=_TOKENIZER_SECONDS,
                cap_bytes=_MOST_BYTES,
                json_body=json.dumps(asked).encode("ascii"),
            )
            told = json.loads(answer.body)
        except (AskError, ValueError, RecursionError):
            return {}
    return told if isinstance(told, dict) and answer.status == 200 else {}
