"""Bars of the runs of a table that are under way."""

import sys

from tqdm import tqdm

from sslrepro.study.run import Run, label


class Bars:
    """A bar for the whole and one for each run that is under way."""

    def __init__(self, runs: list[Run], shown: bool):
        self.runs = {run.name: run for run in runs}
        self.shown = shown
        self.whole = tqdm(
            total=sum(run.steps for run in runs),
            desc=f"table: {len(runs)} runs",
            unit="step",
            disable=not shown,
            position=0,
        )
        self.steps: dict[str, int] = {}
        self.bars: dict[str, tqdm] = {}
        self.places: dict[str, int] = {}

    def move(self, name: str, step: int) -> None:
        """A run has come to a step."""
        if name not in self.bars:
            taken = {self.places[other] for other in self.bars}
            self.places[name] = next(place for place in range(1, len(self.runs) + 2) if place not in taken)
            self.bars[name] = tqdm(
                total=self.runs[name].steps,
                desc=f"  {label(self.runs[name])}",
                unit="step",
                leave=False,
                disable=not self.shown,
                position=self.places[name],
                initial=step,
            )
        self.bars[name].update(step - self.bars[name].n)
        self._count(name, step)

    def finish(self, name: str) -> None:
        """A run has ended."""
        self._count(name, self.runs[name].steps)
        if name in self.bars:
            self.bars.pop(name).close()

    def _count(self, name: str, step: int) -> None:
        self.whole.update(step - self.steps.get(name, 0))
        self.steps[name] = step

    def say(self, text: str) -> None:
        """A line above the bars."""
        self.whole.write(text, file=sys.stderr)

    def close(self) -> None:
        for bar in (*self.bars.values(), self.whole):
            bar.close()
