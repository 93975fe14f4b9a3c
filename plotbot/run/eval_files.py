"""An eval's files: what is asked about every title, read and checked once."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from plotbot.ask.transport.prompts import prompt_hash
from plotbot.errors import InputError
from plotbot.judge import Schema, compile_schema
from plotbot.plan.inputs import OPTIONS, read_prompt, read_schema, read_template
from plotbot.plan.variants import below, variants_of
from plotbot.records import Question, Variant
from plotbot.settings import Settings

_OTHERS = (
    "pytest-evals and pydantic-evals have a marker of this name, too: keep tests that are marked for one of them in a "
    "project without plotbot"
)

_OF_A_RUN = "answers:"
"""Before a RUN in the marker's `titles=`."""
_ARGUMENTS = ("prompt", "schema", "titles", "template", "group_by")


@dataclass(frozen=True, slots=True)
class EvalFiles:
    """The files that an eval asks with, as absolute paths. Several prompts make variants.

    Without a template the user message is made from the schema. `where` names the test and its marker's line in
    messages; it does not tell two evals of the same files apart.
    """

    prompts: tuple[Path, ...]
    schema: Path
    titles: Path
    template: Path | None = None
    where: str = field(default="", compare=False)

    @classmethod
    def of_marker(cls, args: Sequence[object], kwargs: Mapping[str, object], settings: Settings, where: str) -> Self:
        """The files that `@pytest.mark.eval(prompt=, schema=, titles=, template=)` names from the project root.

        What it does not name is as the settings say. Raises `InputError` for arguments that are not plotbot's; *where*
        names the test.
        """
        unknown = sorted(set(kwargs) - {*_ARGUMENTS})
        taken = f"{', '.join(_ARGUMENTS[:-1])} and {_ARGUMENTS[-1]}"
        if args:
            raise InputError(f"{where}: the eval marker takes {taken}, all by name; {_OTHERS}")
        if unknown:
            raise InputError(f"{where}: the eval marker has no {unknown[0]!r}: it takes {taken}; {_OTHERS}")

        def path(name: str) -> Path | None:
            given = kwargs.get(name)
            if given is not None and not isinstance(given, str | Path):
                raise InputError(f"{where}: the eval marker's {name} is a path, not {given!r}")
            return None if given is None else settings.root / given

        prompt = path("prompt")
        return cls(
            settings.prompt_path if prompt is None else (prompt,),
            path("schema") or settings.schema_path,
            _titles(kwargs.get("titles"), settings) or path("titles") or settings.titles_path,
            path("template") or settings.template_path,
            where,
        )

    @property
    def by_role(self) -> Iterator[tuple[str, Path]]:
        """What each file is, and its path."""
        yield from (("prompt", path) for path in self.prompts)
        yield from (("schema", self.schema), ("titles", self.titles))
        if self.template is not None:
            yield "template", self.template

    def to_json(self) -> dict[str, Any]:
        """The files by role, and `where`; `prompt` is a list where there are several."""
        return {**self._by_role(str), "where": self.where}

    def below(self, root: Path) -> dict[str, Any]:
        """The files as a run's plan names them: from the project root, so that a run can be replayed elsewhere."""
        return self._by_role(lambda path: below(path, root))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        prompts = data["prompt"] if isinstance(data["prompt"], list) else [data["prompt"]]
        template = Path(data["template"]) if "template" in data else None
        return cls(tuple(map(Path, prompts)), Path(data["schema"]), Path(data["titles"]), template, data["where"])

    def _by_role(self, shown: Callable[[Path], str]) -> dict[str, Any]:
        prompts = [shown(path) for path in self.prompts]
        prompt = prompts[0] if len(prompts) == 1 else prompts
        files = {"prompt": prompt, "schema": shown(self.schema), "titles": shown(self.titles)}
        return files if self.template is None else {**files, "template": shown(self.template)}


def local_path(there: str, files: Sequence[str | None], root: Path) -> str:
    """The path in this project of a file that a run recorded elsewhere; as it was there if none of *files* ends it.

    *files* are those of the run's evals, from its project root.
    """
    there = there.replace("\\", "/")
    below = (root / file for file in files if file and there.endswith(f"/{file}"))
    return str(next(below, there))


def _titles(named: object, settings: Settings) -> Path | None:
    """The run folder that the marker's `answers:RUN` means, or ANSWERS where it names no titles; None for files."""
    run = settings.answers if named is None else None
    if isinstance(named, str) and named.startswith(_OF_A_RUN):
        run = named.removeprefix(_OF_A_RUN)
    if run is None:
        return None
    from plotbot.keep.run_finding import find_run  # noqa: PLC0415  each worker starts with this file, few look for a run

    return find_run(run, settings, settings.root).path


class Schemas:
    """A process's schemas, each read and compiled once: compiling costs ten times as much as judging a reply."""

    def __init__(self) -> None:
        self._compiled: dict[Path, Schema] = {}

    def of(self, path: Path) -> Schema:
        """The compiled schema of a file. Raises `InputError` where it cannot be used."""
        if path not in self._compiled:
            self._compiled[path] = compile_schema(read_schema(path), str(path))
        return self._compiled[path]


def refuse_missing(files: EvalFiles, root: Path, roles: Container[str]) -> None:
    """Raise `InputError` that names all files of these roles that are not there, and where they are named."""
    missing = [(role, path) for role, path in files.by_role if role in roles and not path.exists()]
    if missing:
        listed = ", ".join(f"{role} {below(path, root)}" for role, path in missing)
        count = "1 of its files is" if len(missing) == 1 else f"{len(missing)} of its files are"
        raise InputError(
            f"{files.where}: {count} not there: {listed}. Make what is missing, or name other files in the "
            f"marker or with {', '.join(dict.fromkeys(OPTIONS[role] for role, _ in missing))}; `plotbot new NAME` "
            "writes an eval with all of its files"
        )


def read_questions(files: EvalFiles, settings: Settings, schemas: Schemas) -> dict[Variant, Question]:
    """The question of each variant, in their order. Raises `InputError` for a file that cannot be used."""
    schema = schemas.of(files.schema).raw
    template = "" if files.template is None else read_template(files.template)
    prompts = {below(path, settings.root): read_prompt(path) for path in files.prompts}

    def question(variant: Variant) -> Question:
        prompt, form = prompts[variant.prompt], variant.response_format
        return Question(prompt, schema, form, prompt_hash(prompt, schema, form, template), template)

    return {variant: question(variant) for variant in variants_of(files.prompts, settings)}
