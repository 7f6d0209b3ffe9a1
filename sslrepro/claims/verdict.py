"""What is said of a claim: the words of a verdict, and everything that is recorded beside one."""

from dataclasses import dataclass

from sslrepro.claims.statistics import LEVEL

HOLDS, CONTRADICTED = 1 - LEVEL, LEVEL


VERDICTS = ("holds", "contradicted", "inconclusive", "not tested", "not judged")


@dataclass(frozen=True)
class Lenses:
    """Three looks at an effect beside its verdict; None where the paper prints no effect."""

    same_direction: bool | None
    paper_inside: bool | None
    zero_inside: bool


@dataclass(frozen=True)
class Part:
    """One contrast of a claim: what it says, (mean, low, high) with its 95% interval, and its own verdict.

    opposite   1 minus the p-value of the data were this part true, without regard to the other parts
    """

    words: str
    effect: tuple[float, float, float]
    verdict: str
    opposite: float


@dataclass(frozen=True)
class Letter:
    """The transcribed expression by the letter ("every step rises"): is it true of our means, and of how many seeds?"""

    means: bool
    seeds: int
    of: int


@dataclass(frozen=True)
class Verdict:
    """What the seeds say about a claim.

    verdict        one of VERDICTS; `reason` says why a claim is not tested, not judged, or open for a collapsed run
    probability    1 minus the p-value of the data were the claim false: >= 0.95 holds
    gap            (middle, low, high) of the claim's effect with its 95% interval, in the paper's unit
    paper_gap      the same effect as the paper prints it
    seeds_needed   least seeds per cell that would settle an inconclusive claim if means and spreads stayed as
                   they are; None when not even 1,000 would
    judged_as      what was judged where the claim's own cells are not all run here
    if_equal       of a claim that nothing differs: its probability were all cells it reads equal, with spreads as they
                   are. Below 0.95 it cannot hold with these seeds, whatever is true; None for other claims
    opposite       1 minus the p-value of the data were the claim true: >= 0.95 contradicted
    kind, name, section, basis   of the judgement file: statistic, a name people can say, where the paper says it, and
                   whether it is asserted, hedged or read off a table
    lenses         None where there is no effect
    every_step     None where the claim has no expression, or its cells were not all run
    gate           "floor", "premise", "letter only", "collapse", or ""
    n              seeds behind the verdict
    parts          the contrasts of a claim with several
    tolerance      of "no difference", with its source
    notes          what a gate measured, or could not
    """

    claim: str
    text: str
    verdict: str
    probability: float | None = None
    gap: tuple[float, float, float] | None = None
    paper_gap: float | None = None
    gap_unit: str = ""
    seeds_needed: int | None = None
    reason: str = ""
    judged_as: str = ""
    if_equal: float | None = None
    opposite: float | None = None
    kind: str = ""
    name: str = ""
    section: str = ""
    basis: str = ""
    lenses: Lenses | None = None
    every_step: Letter | None = None
    gate: str = ""
    n: int | None = None
    parts: tuple[Part, ...] = ()
    tolerance: str = ""
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What a person calls the claim; its id where it has no name."""
        return self.name or self.claim


def verdict_word(against_claim: float, for_opposite: float) -> str:
    """The word for two p-values."""
    if against_claim <= LEVEL:
        return "holds"
    return "contradicted" if for_opposite <= LEVEL else "inconclusive"


def lenses(gap: tuple[float, float, float] | None, paper_gap: float | None) -> Lenses | None:
    """Same direction as the paper? Its effect inside our interval? Zero inside?"""
    if gap is None:
        return None
    mean, low, high = gap
    zero = low <= 0 <= high
    if paper_gap is None:
        return Lenses(None, None, zero)
    return Lenses(mean * paper_gap > 0 if paper_gap else None, low <= paper_gap <= high, zero)
