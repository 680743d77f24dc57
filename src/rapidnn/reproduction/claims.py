"""What the paper claims, and how well each claim is known (FACTS 1)."""

from __future__ import annotations

from dataclasses import dataclass

MAX_LOSS = 0.005
"""The paper's bound on the loss of quality: 0.5 % in the printed abstract, 0.3 % in the preprint's."""


@dataclass(frozen=True)
class Claim:
    """A stated figure."""

    name: str
    unit: str
    stated: float
    confidence: str
    source: str


HEADLINE = (
    Claim("energy over isaac", "x", 68.4, "seen", "abstract, HPCA 2020"),
    Claim("energy over pipelayer", "x", 49.5, "seen", "abstract, HPCA 2020"),
    Claim("speed over isaac", "x", 48.1, "seen", "abstract, HPCA 2020"),
    Claim("speed over pipelayer", "x", 10.9, "seen", "abstract, HPCA 2020"),
)
"""The four ratios; the abstract does not say on which basis its speeds are. Here: the same silicon."""

OTHERS = (
    Claim("energy over gtx1080", "x", 382.6, "seen", "abstract of the first preprint, against a GPU"),
    Claim("speed over gtx1080", "x", 211.5, "seen", "abstract of the first preprint, against a GPU"),
)


@dataclass(frozen=True)
class Achieved:
    """A claim beside what comes out here; ``ratio`` is achieved over stated, None where nothing came out."""

    name: str
    unit: str
    stated: float
    achieved: float | None
    ratio: float | None
    confidence: str
    source: str


def beside(claim: Claim, achieved: float | None) -> Achieved:
    """A claim with its achieved figure."""
    return Achieved(
        claim.name,
        claim.unit,
        claim.stated,
        achieved,
        None if achieved is None else achieved / claim.stated,
        claim.confidence,
        claim.source,
    )
