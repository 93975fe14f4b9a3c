"""`--baseline FILE`: what a run broke and fixed, said below its summary. It informs; it never sets the exit status."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from plotbot.measure.baseline import read_baseline_file
from plotbot.measure.comparison import compare_sheets
from plotbot.measure.verdict_sheet import VerdictSheet, verdict_sheet
from plotbot.report.comparison import comparison_lines
from plotbot.run.recorder import Recorder


@dataclass(frozen=True, slots=True)
class Baseline:
    """The verdicts of an earlier run, and the file they came from."""

    path: Path
    sheet: VerdictSheet

    def lines(self, recorder: Recorder) -> list[str]:
        """The comparison of this run with the baseline, in words; what was asked otherwise is named, not compared."""
        now = verdict_sheet(recorder.records(), recorder.questions)
        comparisons = compare_sheets(self.sheet, now)
        lines = comparison_lines(f"baseline {self.path.name} (run {self.sheet.run})", f"run {now.run}", comparisons)
        if any(comparison.refused for comparison in comparisons):
            lines.append(f"to compare all the same: plotbot compare {self.path} {now.run} --anyway")
        return lines


def read_baseline(path: Path) -> Baseline:
    """The baseline in a file. Raises `InputError` where it cannot be used."""
    return Baseline(path, read_baseline_file(path))
