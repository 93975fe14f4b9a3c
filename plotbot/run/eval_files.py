"""An eval's files: what is asked about every title, read and checked once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from plotbot.ask.transport.prompts import prompt_hash
from plotbot.errors import InputError
from plotbot.judge import Schema, compile_schema
from plotbot.plan.inputs import read_prompt, read_schema
from plotbot.records import Question
from plotbot.settings import Settings

_OTHERS = (
    "pytest-evals and pydantic-evals have a marker of this name, too: keep tests that are marked for one of them in a "
    "project without plotbot"
)


@dataclass(frozen=True, slots=True)
class EvalFiles:
    """The files that an eval asks with, as absolute paths."""

    prompt: Path
    schema: Path
    titles: Path

    @classmethod
    def of_marker(cls, args: Sequence[object], kwargs: Mapping[str, object], settings: Settings, where: str) -> Self:
        """The files that `@pytest.mark.eval(prompt=, schema=, titles=)` names from the project root; else those set.

        Raises `InputError` for arguments that are not plotbot's; *where* names the test.
        """
        unknown = sorted(set(kwargs) - {"prompt", "schema", "titles"})
        if args:
            raise InputError(f"{where}: the eval marker takes prompt, schema and titles, all by name; {_OTHERS}")
        if unknown:
            taken = "it takes prompt, schema and titles"
            raise InputError(f"{where}: the eval marker has no {unknown[0]!r}: {taken}; {_OTHERS}")

        def path(name: str, default: Path) -> Path:
            given = kwargs.get(name)
            if given is not None and not isinstance(given, str | Path):
                raise InputError(f"{where}: the eval marker's {name} is a path, not {given!r}")
            return default if given is None else settings.root / given

        return cls(
            path("prompt", settings.prompt_path),
            path("schema", settings.schema_path),
            path("titles", settings.titles_path),
        )

    def to_json(self) -> dict[str, str]:
        return {"prompt": str(self.prompt), "schema": str(self.schema), "titles": str(self.titles)}

    def below(self, root: Path) -> dict[str, str]:
        """The files as a run's plan names them: from the project root, so that a run can be replayed elsewhere."""
        return {
            name: Path(path).relative_to(root).as_posix() if Path(path).is_relative_to(root) else path
            for name, path in self.to_json().items()
        }

    @classmethod
    def from_json(cls, data: Mapping[str, str]) -> Self:
        return cls(Path(data["prompt"]), Path(data["schema"]), Path(data["titles"]))


class Schemas:
    """A process's schemas, each read and compiled once: compiling costs ten times as much as judging a reply."""

    def __init__(self) -> None:
        self._compiled: dict[Path, Schema] = {}

    def of(self, path: Path) -> Schema:
        """The compiled schema of a file. Raises `InputError` where it cannot be used."""
        if path not in self._compiled:
            self._compiled[path] = compile_schema(read_schema(path), str(path))
        return self._compiled[path]


def read_questions(files: EvalFiles, settings: Settings, schemas: Schemas) -> tuple[Question, ...]:
    """One question per response format. Raises `InputError` for a file that cannot be used."""
    prompt, schema = read_prompt(files.prompt), schemas.of(files.schema).raw
    return tuple(
        Question(prompt, schema, response_format, prompt_hash(prompt, schema, response_format))
        for response_format in settings.response_format
    )
