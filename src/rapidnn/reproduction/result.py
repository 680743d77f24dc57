"""What a reproduction found, as records with a JSON and a table form."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidnn import untrusted
from rapidnn.errors import DataError
from rapidnn.reproduction.claims import Achieved
from rapidnn.reproduction.evaluation import Gain
from rapidnn.reproduction.points import Quality
from rapidnn.reproduction.sensitivity import Swing

if TYPE_CHECKING:
    import pandas as pd


RESULT = "reproduction.json"
"""Name of the result in a reproduction's folder."""


@dataclass(frozen=True)
class Row:
    """One application at one pair of codebook sizes on the default machine.

    ``trained`` False: random weights, cost only, ``quality`` None. ``kib_per_neuron`` are tables and weight codes.
    """

    application: str
    network: str
    data: str
    trained: bool
    weights: int
    inputs: int
    quality: Quality | None
    macs: int
    energy_pj: float
    energy_pj_per_mac: float
    latency_ns: float
    interval_ns: float
    area_mm2: float
    chips: int
    blocks_used: int
    kib_per_neuron: float
    gains: tuple[Gain, ...]


@dataclass(frozen=True)
class Sharing:
    """An application with ``neurons_per_block`` channels a block (RNA sharing), at its chosen codebook sizes."""

    application: str
    neurons_per_block: int
    blocks_used: int
    latency_ns: float
    throughput_per_s: float
    energy_pj: float
    used_area_mm2: float
    kib_per_neuron: float
    refused: str | None


@dataclass(frozen=True)
class Reproduction:
    """The whole result.

    ``chosen`` are the codebook sizes by application that ``claims``, ``sharing`` and ``tornado`` are computed at: the
    least energy among those that lost at most 0.5 % on held-out training data; cost-only applications take the largest
    that a trained one took. ``mean_gains`` are geometric means over the paper's six.
    """

    hardware: str
    quick: bool
    rows: tuple[Row, ...]
    chosen: dict[str, tuple[int, int]]
    mean_gains: tuple[Gain, ...]
    claims: tuple[Achieved, ...]
    sharing: tuple[Sharing, ...]
    tornado: tuple[Swing, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    def to_frame(self) -> pd.DataFrame:
        """One row an application and pair of sizes: figures, quality, and gains by rival."""
        import pandas as pd

        return pd.DataFrame([flat(row) for row in self.rows])


def read_reproduction(path: Path) -> Reproduction:
    """A result that ``rapidnn reproduce`` wrote: its folder, or the ``reproduction.json`` in it.

    Raises
    ------
    DataError
        If it cannot be read or is of another form.
    """
    from pydantic import TypeAdapter, ValidationError

    file = path / RESULT if path.is_dir() else path
    try:
        found = untrusted.parse_json(untrusted.read_text(file))
        if isinstance(found, dict) and isinstance(found.get("result"), dict):
            found = found["result"]  # as --json prints it
        if not isinstance(found, dict):
            raise DataError(f"{file}: expected the object that rapidnn reproduce writes")
        known = {field.name for field in fields(Reproduction)}
        result = TypeAdapter(Reproduction).validate_python({k: v for k, v in found.items() if k in known})
    except untrusted.UnreadableError as error:
        raise DataError(f"{file}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        told = untrusted.one_line(f"{where}: {first['msg']}")
        raise DataError(f"{file}: not a result of rapidnn reproduce ({told})") from None
    if not result.rows or not result.claims:
        raise DataError(f"{file}: holds no application; run rapidnn reproduce again")
    return result


def flat(row: Row) -> dict[str, Any]:
    """A row with its nested records laid out in columns."""
    found = {k: v for k, v in asdict(row).items() if k not in ("quality", "gains")}
    for key in ("samples", "float_accuracy", "accuracy", "loss", "validation_loss"):
        found[key] = None if row.quality is None else getattr(row.quality, key)
    for gain in row.gains:
        for kind in ("speed", "energy", "latency"):
            found[f"{kind}_over_{gain.rival}"] = getattr(gain, kind)
    return found
