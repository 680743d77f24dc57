"""A small reproduction made up by hand: two applications, one of them cost only, and a constant that ends nowhere."""

from rapidnn.reproduction.claims import HEADLINE, beside
from rapidnn.reproduction.evaluation import Gain
from rapidnn.reproduction.points import Quality
from rapidnn.reproduction.result import Reproduction, Row, Sharing
from rapidnn.reproduction.sensitivity import Swing

RIVALS = ("isaac", "pipelayer")


def gains(name, by):
    return tuple(Gain(name, rival, 0.1 * by, 2.0 * by / (i + 1), 3.0, 4.0) for i, rival in enumerate(RIVALS))


def row(name, size, *, trained):
    quality = Quality(200, 0.95, 0.95 - 0.2 / size, 0.2 / size, 0.1 / size, 100) if trained else None
    return Row(
        name, f"{name}-net", "data", trained, size, size, quality, 1000, 4000.0 * size, 4.0 * size,
        300.0 * size, 20.0, 2878.0, 1, 12, 0.5 * size, gains(name, 1 / size),
    )  # fmt: skip


def swing(machine, constant, low, high):
    return Swing(
        machine, constant, "seen", "pJ", 2.0, 1.0, 4.0, low and (low,) * 4, high and (high,) * 4, 5.0
    )


def reproduction():
    rows = tuple(row(name, size, trained=name == "<A>") for name in ("<A>", "B") for size in (4, 16))
    shared = [
        Sharing(n, c, 12 // c, 1e3 * c, 1e6 / c, 9.0, 50.0 / c, 1.0, None) for n in "AB" for c in (1, 4)
    ]
    refused = Sharing("B", 64, 0, 0.0, 0.0, 0.0, 0.0, 0.0, "does not fit")
    return Reproduction(
        "rapidnn-hpca20",
        True,
        rows,
        {"<A>": (16, 16), "B": (4, 4)},
        gains("mean of 2", 0.1),
        (*(beside(claim, 0.3 * i or None) for i, claim in enumerate(HEADLINE)),),
        (*shared, refused),
        (swing("rapidnn-hpca20", "a.b_pj", 0.2, 0.4), swing("isaac", "adc_mw", None, 0.3)),
        ("a note & more",),
    )
