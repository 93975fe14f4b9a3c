"""A writer whose disk is slower than the tests: `keep` blocks before too many answers wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from plotbot.keep.title_files import FoldOutcome
from plotbot.keep.writer import WritePolicy, Writer
from plotbot.records import Answer, Title

PATIENCE = 10.0


def answer(number: int) -> Answer:
    return Answer(Title(f"t{number}", "A headline"), "m", "hash", [], {"case": f"c{number}"})


def test_with_four_batches_waiting_the_next_answer_waits_until_the_disk_has_caught_up() -> None:
    held, go_on, folded = threading.Event(), threading.Event(), list[Answer]()

    def fold(answers: Sequence[Answer], _give_up: Callable[[], bool]) -> FoldOutcome:
        held.set()
        assert go_on.wait(PATIENCE)
        folded.extend(answers)
        return FoldOutcome(folded=tuple(answers))

    writer = Writer(fold, WritePolicy("batch", batch_size=2), lambda _: None)
    writer.keep(answer(0))
    writer.keep(answer(1))
    assert held.wait(PATIENCE)
    for number in range(2, 9):
        writer.keep(answer(number))
    last = threading.Thread(target=writer.keep, args=(answer(9),), daemon=True)
    last.start()
    last.join(0.2)
    assert last.is_alive(), "eight wait: four batches"
    go_on.set()
    last.join(PATIENCE)
    assert not last.is_alive()
    assert writer.close() == ()
    assert len(folded) == 10
