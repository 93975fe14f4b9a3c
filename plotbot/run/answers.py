"""The answers of a run as the titles of another eval, which judges them.

A title is made of each answer that an eval has kept. Its fields are what a template may show: the answer, where it
came from, and three cards for a judge. A card is a JSON object, so that a template shows it quoted: no text in it can
end the question and begin another one.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import nlargest
from itertools import islice
from pathlib import Path
from typing import Any

from plotbot.errors import InputError
from plotbot.keep.filesystem import Disk
from plotbot.keep.run_folder import RunFolder
from plotbot.keep.run_reading import RunOnDisk, read_run
from plotbot.measure.judging import CHOICES
from plotbot.plan.titles import read_titles
from plotbot.records import Answer, Case, Title
from plotbot.run.recovery import kept_answers
from plotbot.safe import digest

_ID_LENGTH = 10
_ONE_IN = 10
"""Of so many answers one stands beside another headline on purpose."""
_MANY = 200
"""In so many headlines at most a word tells which are alike."""
_QUOTE = 3
"""So many words of the headline in a row are a quote of it."""
_LEAST_HEADLINES = {"pair": 2, "choice": CHOICES}
"""By card that not every run has: how many headlines it needs."""
_LEFT_OUT = "[…]"
_log = logging.getLogger("plotbot.run")
_WORD = re.compile(r"[^\W_]+")


def titles_at(path: Path) -> tuple[Title, ...]:
    """The titles in a file, or the answers of the run in a folder. Raises `InputError` if it has none."""
    return answer_titles(read_run(RunFolder(path), Disk())) if RunFolder(path).plan.is_file() else read_titles(path)


def answer_titles(run: RunOnDisk) -> tuple[Title, ...]:
    """A title for each kept answer of a run, in plan order; its text is the headline that the answer is about.

    The id comes from the headline's id, the subject, the variant and the repeat, and is the same whenever the run is
    read. The fields are `answer`, `subject`, `variant`, `repeat`, `title_id`, `title`, and the cards `work` (headline
    and answer), `pair` (a headline and the answer without its own; in one of ten cases, `planted`, it is another one's)
    and `choice` (the answer without its headline, and four numbered headlines, of which the number `own` is its own).
    A run with one headline has no `pair`, one with fewer than four no `choice`.

    Raises `InputError` if no eval has kept an answer.
    """
    answers = {answer.case: answer for answer in kept_answers(run)}
    if not answers:
        raise InputError(
            f"{run.folder.path}: no eval has kept an answer in this run, so there is nothing to judge: an eval keeps a "
            "good answer with results.keep()"
        )
    headlines = _Headlines(list(dict.fromkeys(case.title.text for case in run.cases.values())))
    named: dict[str, Title] = {}
    for case in run.cases.values():
        if case.id in answers:
            title = _title(answers[case.id], case, headlines, taken=named)
            named[title.id] = title
    return tuple(named.values())


def without_card(template: str, titles: Iterable[Title]) -> str | None:
    """Why a template cannot ask about these answers: their run has too few headlines for a card; None if it can."""
    fields = [title.fields for title in titles]
    for card, least in _LEAST_HEADLINES.items():
        if f"{{{card}}}" in template and fields and all("work" in one and card not in one for one in fields):
            return f"not asked: {{{card}}} needs a run with at least {least} headlines"
    return None


def without_headline(answer: Any, headline: str) -> Any:
    """An answer without the `title` fields of its entries, and without quotes of its headline anywhere else.

    A quote is the whole headline, or three of its words in a row.
    """
    entries = answer if isinstance(answer, list) else [answer]
    bare = [
        {name: value for name, value in entry.items() if name != "title"} if isinstance(entry, dict) else entry
        for entry in entries
    ]
    return _masked(bare if isinstance(answer, list) else bare[0], headline)


def _title(answer: Answer, case: Case, headlines: _Headlines, taken: Mapping[str, Title]) -> Title:
    named = (case.title.id, case.model, case.variant, str(case.repeat))
    answer_id = digest("\0".join(named), _ID_LENGTH)
    if answer_id in taken:
        # Another eval of the run asked the same model about the same headline.
        answer_id = digest("\0".join((*named, case.prompt_hash)), _ID_LENGTH)
    headline = case.title.text
    fields = {
        "answer": answer.response,
        "subject": case.model,
        "variant": case.variant,
        "repeat": case.repeat,
        "title_id": case.title.id,
        "title": headline,
        "work": {"headline": headline, "answer": answer.response},
        **headlines.cards(answer_id, headline, without_headline(answer.response, headline)),
    }
    return Title(answer_id, headline, fields)


class _Headlines:
    """The headlines of a run, and which are the nearest to one by their words."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._words = {text: frozenset(_words(text)) for text in texts}
        self._with_word: dict[str, list[str]] = defaultdict(list)
        for text, words in self._words.items():
            for word in words:
                self._with_word[word].append(text)
        self._nearest: dict[str, list[str]] = {}

    def cards(self, answer_id: str, headline: str, answer: Any) -> dict[str, Any]:
        """What a judge is shown of an answer without its headline, and what it should find. The hash decides both."""
        cards: dict[str, Any] = {}
        if len(self._texts) > 1:
            planted = _hashed("planted", answer_id) % _ONE_IN == 0
            shown = self._strangers(answer_id, {headline}, 1)[0] if planted else headline
            cards |= {"pair": {"headline": shown, "answer": answer}, "planted": planted}
        if len(self._texts) >= CHOICES:
            own = _hashed("place", answer_id) % CHOICES
            listed = self.nearest(headline)
            listed = sorted(listed, key=lambda text: _hashed(text, answer_id))
            listed.insert(own, headline)
            numbered = {str(number): text for number, text in enumerate(listed, start=1)}
            cards |= {"choice": {"answer": answer, "headlines": numbered}, "own": own + 1}
        return cards

    def nearest(self, headline: str) -> list[str]:
        """The other headlines, three of them, that share the largest part of their words with this one."""
        if headline not in self._nearest:
            self._nearest[headline] = self._find_nearest(headline)
        return self._nearest[headline]

    def _find_nearest(self, headline: str) -> list[str]:
        mine = self._words[headline]
        # A word that many headlines have says little about which are alike, and makes the search slow.
        rare = [word for word in mine if len(self._with_word[word]) <= _MANY] or sorted(mine)[:1]
        near = {text for word in rare for text in self._with_word[word]} - {headline}
        likeness = {text: len(mine & self._words[text]) / len(mine | self._words[text]) for text in near}
        least = min(nlargest(CHOICES - 1, likeness.values()), default=0)
        ties = [text for text in near if likeness[text] >= least]
        ranked = sorted(ties, key=lambda text: (-likeness[text], _hashed(text, headline)))[: CHOICES - 1]
        if len(ranked) < CHOICES - 1:
            ranked += self._strangers(headline, {headline, *ranked}, CHOICES - 1 - len(ranked))
        return ranked

    def _strangers(self, headline: str, taken: set[str], count: int) -> list[str]:
        """So many headlines that are not *taken*, from a place that the headline's hash decides."""
        first = _hashed("strangers", headline)
        places = ((first + step) % len(self._texts) for step in range(len(self._texts)))
        return list(islice((text for place in places if (text := self._texts[place]) not in taken), count))


def _masked(value: Any, headline: str) -> Any:
    if isinstance(value, str):
        return _without_quotes(value, headline)
    if isinstance(value, list):
        return [_masked(part, headline) for part in value]
    if isinstance(value, dict):
        return {name: _masked(part, headline) for name, part in value.items()}
    return value


def _without_quotes(text: str, headline: str) -> str:
    if len(headline) > 1:
        text = re.sub(re.escape(headline), _LEFT_OUT, text, flags=re.IGNORECASE)
    quoted = _words(headline)
    length = min(_QUOTE, len(quoted))
    runs = {tuple(quoted[start : start + length]) for start in range(len(quoted) - length + 1)} if length else set()
    found = list(_WORD.finditer(text))
    said = [match[0].casefold() for match in found]
    kept, end, last = [], 0, -1
    for start in range(len(said) - length + 1 if runs else 0):
        if tuple(said[start : start + length]) not in runs:
            continue
        if start > last:
            kept += [text[end : found[start].start()], _LEFT_OUT]
        last = start + length - 1
        end = found[last].end()
    return "".join([*kept, text[end:]])


def _words(text: str) -> list[str]:
    return [match[0].casefold() for match in _WORD.finditer(text)]


def _hashed(what: str, answer_id: str) -> int:
    return int(digest(f"{what}\0{answer_id}", 12), 16)
