"""What can go wrong, as a tree: who has to act decides the branch.

PlotbotError
├── UsageProblem               the user's to put right: one sentence, exit status 4, no traceback
│   ├── SettingsError          a key, a value or a source of settings
│   ├── InputError             titles, prompt, schema, pin, an old run: a file and a place in it
│   ├── ServerProblem          no server, no such model, a choice to make
│   │   └── SilentServerProblem   a server that neither answers nor refuses
│   └── EngineError            the embedded engine cannot start
├── AskError                   no usable answer arrived: the server's fault, pytest ERROR, with its category
├── TooCostlyError             a reply could not be judged in time: the schema's fault, pytest ERROR, with a category
├── NotNeededError             a case that a sequential gate did without: pytest skips its item
├── KeepError                  an answer could not be kept where it belongs; it stays in the journal
│   ├── DiskError              the disk refused: a fault of the harness's, exit status 3
│   ├── LockBusyError          another process held a title file's lock for too long
│   └── ForeignFileError       a title file's inside belongs to another title
└── RpcError                  a worker's line to the main process broke

Workers send exceptions to the main process, so all of them pickle: their arguments are their state.
"""

from __future__ import annotations

from enum import IntEnum
from types import FrameType
from typing import NoReturn


class ExitStatus(IntEnum):
    """The exit statuses of an eval run, and of every `plotbot` command.

    `FAILURES` are a run's model failures, or a gate that does not hold; of a command, something lost, damaged or left
    over.
    """

    OK = 0
    FAILURES = 1
    INTERRUPTED = 2
    HARNESS_FAULT = 3
    USAGE = 4
    NO_CASES = 5
    INCOMPLETE = 10


class PlotbotError(Exception):
    """The root: everything that plotbot raises on purpose."""


class UsageProblem(PlotbotError):  # noqa: N818  it names a problem of the user's, not a fault of the program
    """What the user can put right. The message says what is wrong, where, and what to do."""


class SettingsError(UsageProblem):
    """A setting is unknown, of the wrong type or out of range; names source, key and value."""


class InputError(UsageProblem):
    """A file that the user owns cannot be used; names the file and the place in it."""


class ServerProblem(UsageProblem):
    """The run is doomed before it starts: no server, no such model, nothing loaded."""


class SilentServerProblem(ServerProblem):
    """A server neither answers nor refuses the connection. Another server of the run may answer."""


class EngineError(UsageProblem):
    """The embedded engine cannot start: not installed, a damaged model file, a crash at start."""


class AskError(PlotbotError):
    """No usable answer arrived.

    `category` is one of `plotbot.categories.ERROR_CATEGORIES`; `message` says what happened and what to do.
    """

    def __init__(self, category: str, message: str) -> None:
        super().__init__(category, message)
        self.category = category
        self.message = message

    def __str__(self) -> str:
        return f"{self.category}: {self.message}"


class TooCostlyError(PlotbotError):
    """A reply could not be judged in time: the schema's fault, not the model's.

    `keyword` is the JSON path of the schema's keyword that took the time; empty if it is not known.
    """

    category = "too_costly"

    def __init__(self, message: str, keyword: str = "") -> None:
        super().__init__(message, keyword)
        self.message = message
        self.keyword = keyword

    def __str__(self) -> str:
        return f"{self.category}: {self.message}"


class NotNeededError(PlotbotError):
    """The case is not asked: its sequential gate was decided without it. The message is the reason."""


class KeepError(PlotbotError):
    """An answer is in the journal but could not be folded into its title file; names the file and the reason."""


class DiskError(KeepError):
    """The disk refused a journal, a title file or its lock; names the file and the system's reason."""


class LockBusyError(KeepError):
    """A title file's lock was held by another process for longer than FILE_LOCK_TIMEOUT."""


class ForeignFileError(KeepError):
    """A title file holds another title's answers; nothing is written over it."""


class RpcError(PlotbotError):
    """The loopback line between a worker and the main process broke."""


def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """A signal handler that interrupts as Ctrl-C does; the exception's argument tells the two apart."""
    raise KeyboardInterrupt("terminated")
