import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from plotbot.errors import ForeignFileError, KeepError, LockBusyError, RpcError
from plotbot.keep.filesystem import Disk
from plotbot.keep.locks import TitleLocks
from plotbot.keep.title_files import FoldOutcome, MovedAside, Unfolded, fold
from plotbot.keep.writer import AnswerQueue, WritePolicy, Writer
from plotbot.records import Answer

Make = Callable[..., Answer]
WAIT = 30
BATCH = WritePolicy("batch", batch_size=3, batch_seconds=3600.0, retry_limit=3)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused is tried again at once."""
    monkeypatch.setattr("plotbot.keep.writer._BACKOFF_SECONDS", 0.001)


class Folds:
    """Stands for the title files: refuses the first times, and remembers what it was asked."""

    def __init__(self, refusals: int = 0, error: KeepError | None = None, *, passing: bool = True) -> None:
        self.batches: list[list[str]] = []
        self.folded: list[str] = []
        self.some_folded = threading.Event()
        self._refusals = refusals
        self._error = error or LockBusyError("busy")
        self._passing = passing

    def __call__(self, answers: Sequence[Answer], _: Callable[[], bool]) -> FoldOutcome:
        self.batches.append([answer.title.id for answer in answers])
        if self._refusals:
            self._refusals -= 1
            return FoldOutcome(unfolded=tuple(Unfolded(answer, self._error, self._passing) for answer in answers))
        return FoldOutcome(folded=tuple(answers))

    def on_folded(self, answers: Sequence[Answer]) -> None:
        self.folded += [answer.title.id for answer in answers]
        self.some_folded.set()


def _writer(folds: Folds, policy: WritePolicy) -> Writer:
    return Writer(folds, policy, folds.on_folded)


def test_an_immediate_answer_is_folded_when_keep_returns(answer: Make) -> None:
    folds = Folds()
    writer = _writer(folds, WritePolicy("immediate"))
    for title in "ab":
        writer.keep(answer(title))
        assert folds.folded[-1] == title
    assert writer.close(WAIT) == ()
    assert folds.batches == [["a"], ["b"]]


@pytest.mark.usefixtures("impatient")
def test_a_refused_immediate_answer_does_not_raise_and_is_tried_again(answer: Make) -> None:
    folds = Folds(refusals=2)
    writer = _writer(folds, WritePolicy("immediate"))
    writer.keep(answer("a"))
    assert folds.folded == []
    assert folds.some_folded.wait(WAIT)
    assert writer.close(WAIT) == ()
    assert folds.batches == [["a"]] * 3


def test_a_full_batch_is_folded_together(answer: Make) -> None:
    folds = Folds()
    writer = _writer(folds, BATCH)
    for title in "abc":
        writer.keep(answer(title))
    assert folds.some_folded.wait(WAIT)
    assert folds.batches == [["a", "b", "c"]]
    writer.close(WAIT)


def test_a_quiet_batch_is_folded_by_its_age(answer: Make) -> None:
    folds = Folds()
    writer = _writer(folds, WritePolicy("batch", batch_size=1000, batch_seconds=0.01))
    writer.keep(answer("a"))
    assert folds.some_folded.wait(WAIT)
    assert writer.close(WAIT) == ()


@pytest.mark.usefixtures("impatient")
def test_closing_folds_what_waits(answer: Make) -> None:
    folds = Folds(refusals=1)
    writer = _writer(folds, BATCH)
    writer.keep(answer("a"))
    writer.keep(answer("b"))
    assert folds.batches == []
    assert writer.close(WAIT) == ()
    assert folds.batches == [["a", "b"]] * 2
    with pytest.raises(KeepError, match="closed"):
        writer.keep(answer("c"))


@pytest.mark.usefixtures("impatient")
def test_what_is_refused_too_often_is_listed_with_its_reason(answer: Make) -> None:
    folds = Folds(refusals=100, error=LockBusyError("x.lock: held by process 1"))
    writer = _writer(folds, WritePolicy("immediate", retry_limit=2))
    writer.keep(answer("a"))
    (left,) = writer.close(WAIT)
    assert left.answer.title.id == "a"
    assert "held by process 1" in str(left.error)
    assert len(folds.batches) == 3
    assert writer.unfolded == (left,)


def test_what_cannot_ever_be_folded_is_not_tried_again(answer: Make) -> None:
    folds = Folds(refusals=100, error=ForeignFileError("another title's"), passing=False)
    writer = _writer(folds, WritePolicy("immediate"))
    writer.keep(answer("a"))
    assert [str(left.error) for left in writer.unfolded] == ["another title's"]
    writer.close(WAIT)
    assert len(folds.batches) == 1


def test_closing_ends_at_its_timeout_and_names_what_is_left(answer: Make) -> None:
    gone_by = threading.Event()
    batches = []

    def held_up(answers: Sequence[Answer], give_up: Callable[[], bool]) -> FoldOutcome:
        batches.append(answers)
        while not give_up():
            gone_by.wait(0.001)
        return FoldOutcome(unfolded=tuple(Unfolded(one, LockBusyError("busy"), passing=True) for one in answers))

    writer = Writer(held_up, BATCH, lambda _: None)
    for title in "abcd":
        writer.keep(answer(title))
    left = writer.close(0.01)
    assert sorted(one.answer.title.id for one in left) == ["a", "b", "c", "d"]
    assert {str(one.error)[:13] for one in left} <= {"busy", "the run ended"}
    assert len(batches) <= 1


@pytest.mark.parametrize("error", [RpcError("broken"), OSError("gone")])
def test_a_fold_that_cannot_be_reported_does_not_stop_the_writer(
    answer: Make, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def report(_: Sequence[Answer]) -> None:
        raise error

    folds = Folds()
    writer = Writer(folds, WritePolicy("immediate"), report)
    writer.keep(answer("a"))
    writer.keep(answer("b"))
    assert writer.close(WAIT) == ()
    assert folds.batches == [["a"], ["b"]]
    assert len(caplog.messages) == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_writer_that_breaks_blocks_no_caller_and_lists_what_it_had(answer: Make) -> None:
    def broken(answers: Sequence[Answer], give_up: Callable[[], bool]) -> FoldOutcome:
        raise ZeroDivisionError

    writer = Writer(broken, WritePolicy("batch", batch_size=1), lambda _: None)
    writer.keep(answer("a"))
    assert [left.answer.title.id for left in writer.close(WAIT)] == ["a"]


def test_an_interrupt_in_the_midst_of_an_immediate_fold_leaves_the_answer_to_the_thread(answer: Make) -> None:
    folds = Folds()
    interrupted = threading.Event()

    def fold_once_interrupted(answers: Sequence[Answer], give_up: Callable[[], bool]) -> FoldOutcome:
        if not interrupted.is_set():
            interrupted.set()
            raise KeyboardInterrupt
        return folds(answers, give_up)

    writer = Writer(fold_once_interrupted, WritePolicy("immediate"), folds.on_folded)
    with pytest.raises(KeyboardInterrupt):
        writer.keep(answer("a"))
    assert writer.close(WAIT) == ()
    assert folds.folded == ["a"]


def test_a_damaged_file_is_named(answer: Make, caplog: pytest.LogCaptureFixture) -> None:
    moved = MovedAside(Path("a.json"), Path("a.json.damaged-1"), "no JSON")
    writer = Writer(lambda answers, _: FoldOutcome(tuple(answers), damaged=(moved,)), BATCH, lambda _: None)
    writer.keep(answer("a"))
    writer.close(WAIT)
    assert writer.damaged == (moved,)
    assert caplog.messages == ["a.json was damaged (no JSON) and is now a.json.damaged-1"]


def test_many_threads_keep_many_answers_in_real_files(answer: Make, tmp_path: Path) -> None:
    disk = Disk()
    locks = TitleLocks(tmp_path / ".locks", disk)
    folded: list[Answer] = []
    writer = Writer(
        lambda answers, give_up: fold(answers, tmp_path, locks=locks, disk=disk, give_up=give_up),
        WritePolicy("batch", batch_size=7, batch_seconds=0.01),
        folded.extend,
    )

    def keep(worker: int) -> None:
        for n in range(25):
            writer.keep(answer(f"t{n}", model=f"m{worker}"))

    threads = [threading.Thread(target=keep, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writer.close(WAIT) == ()
    assert len(folded) == 100
    assert len(list(tmp_path.glob("*.json"))) == 25


QUEUE_STEPS: list[tuple[str, WritePolicy, list[tuple[float, str]], float, bool, str]] = [
    ("nothing waits", BATCH, [], 0.0, True, ""),
    ("an immediate one is due", WritePolicy("immediate"), [(0, "a")], 0.0, False, "a"),
    ("too few and too young", BATCH, [(0, "a"), (1, "b")], 3599.0, False, ""),
    ("enough", BATCH, [(0, "a"), (1, "b"), (2, "c")], 2.0, False, "abc"),
    ("the oldest is old enough, the others go along", BATCH, [(0, "a"), (3000, "b")], 3600.0, False, "ab"),
    ("closing waits for nothing", BATCH, [(0, "a")], 0.0, True, "a"),
]


@pytest.mark.parametrize(
    ("policy", "added", "now", "closing", "taken"),
    [row[1:] for row in QUEUE_STEPS],
    ids=[row[0] for row in QUEUE_STEPS],
)
def test_the_queue_gives_out_what_is_due(
    answer: Make, policy: WritePolicy, added: list[tuple[float, str]], now: float, closing: bool, taken: str
) -> None:
    queue = AnswerQueue(policy)
    for at, title in added:
        queue.add(answer(title), at)
    assert "".join(queued.answer.title.id for queued in queue.take(now, closing=closing)) == taken
    assert len([*queue]) == len(added) - len(taken)


def test_a_refused_answer_waits_longer_each_time_until_its_tries_are_used_up(answer: Make) -> None:
    queue = AnswerQueue(WritePolicy("immediate", retry_limit=3))
    queued = queue.add(answer(), 0.0)
    refusal = Unfolded(queued.answer, LockBusyError("busy"), passing=True)
    now, waits = 0.0, []
    while True:
        assert queue.take(now, closing=True) == [queued]
        if not queue.refuse(queued, refusal, now):
            break
        wait = queue.seconds_left(now)
        assert wait is not None
        assert queue.take(now + wait * 0.99, closing=True) == []
        waits.append(wait)
        now = queued.due
    assert waits == pytest.approx([0.05, 0.1, 0.2])
    assert queue.seconds_left(now) is None
    assert queued.reason is refusal.error


def test_with_four_batches_waiting_the_next_answer_waits_until_the_disk_has_caught_up(answer: Make) -> None:
    held, go_on, folded = threading.Event(), threading.Event(), list[Answer]()

    def fold(answers: Sequence[Answer], _give_up: Callable[[], bool]) -> FoldOutcome:
        held.set()
        assert go_on.wait(WAIT)
        folded.extend(answers)
        return FoldOutcome(folded=tuple(answers))

    writer = Writer(fold, WritePolicy("batch", batch_size=2), lambda _: None)
    writer.keep(answer("0"))
    writer.keep(answer("1"))
    assert held.wait(WAIT)
    for number in range(2, 9):
        writer.keep(answer(str(number)))
    last = threading.Thread(target=writer.keep, args=(answer("9"),), daemon=True)
    last.start()
    last.join(0.2)
    assert last.is_alive(), "eight wait: four batches"
    go_on.set()
    last.join(WAIT)
    assert not last.is_alive()
    assert writer.close() == ()
    assert len(folded) == 10
