"""What the user chooses for a composition, checked."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from rapidnn.errors import ArtifactError, ComposeError
from rapidnn.tables.placement import MOST_OPTIMAL_ROWS, PLACEMENTS, Placement

Sizes = int | Mapping[str, int]
"""One codebook size for all layers, or sizes by layer name with ``"*"`` for the rest."""

DEFAULT_SIZE = 16
TREE_SIZES = tuple(2**bits for bits in range(1, 9))


@dataclass(frozen=True)
class Settings:
    """Composition settings; see :func:`rapidnn.compose` for their meaning.

    Raises
    ------
    ComposeError
        If a size is not 1 to 256, or another setting is not one of its values.
    """

    weights: Sizes = DEFAULT_SIZE
    inputs: Sizes = DEFAULT_SIZE
    granularity: str = "layer"
    activation_rows: int = 64
    operand_bits: int = 8
    product_bits: int = 16
    concat: Literal["unify", "reencode"] = "unify"
    tree: int = 0
    """The codebook size at which tree codebooks are optimal; 0 for flat ones."""
    recover: Literal["none", "bias", "full"] = "none"
    activation_placement: Placement = "nonuniform"

    def __post_init__(self) -> None:
        for option in ("weights", "inputs"):
            sizes = getattr(self, option)
            for layer, size in sizes.items() if isinstance(sizes, Mapping) else [("*", sizes)]:
                if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= 256:
                    where = "" if layer == "*" else f" of layer {layer!r}"
                    raise ComposeError(f"{option}={size!r}{where}: a codebook has 1 to 256 values")
        if not re.fullmatch("layer|channel|group:[1-9][0-9]*", str(self.granularity)):
            raise ComposeError(
                f"granularity={self.granularity!r}: expected 'layer', 'channel' or 'group:N', N at least 1"
            )
        if self.concat not in ("unify", "reencode"):
            raise ComposeError(f"concat={self.concat!r}: expected 'unify' or 'reencode'")
        if self.recover not in ("none", "bias", "full"):
            raise ComposeError(f"recover={self.recover!r}: expected 'none', 'bias' or 'full'")
        _expect("activation_rows", self.activation_rows, range(1, 65537), "1 to 65536")
        if self.activation_placement not in PLACEMENTS:
            raise ComposeError(
                f"activation_placement={self.activation_placement!r}: expected one of {', '.join(PLACEMENTS)}"
            )
        if self.activation_placement == "optimal":
            _expect(
                "activation_placement='optimal' needs activation_rows",
                self.activation_rows,
                range(1, MOST_OPTIMAL_ROWS + 1),
                f"1 to {MOST_OPTIMAL_ROWS}",
            )
        _expect("operand_bits", self.operand_bits, (8, 16), "8 or 16")
        _expect("product_bits", self.product_bits, range(2, 32), "2 to 31")
        if self.tree and self.recover != "none":
            raise ComposeError(
                f"recover={self.recover!r}: tree codebooks are not recovered; leave tree or recover out"
            )
        if self.tree:
            _expect("tree", self.tree, TREE_SIZES, "a power of two from 2 to 256")
            for option in ("weights", "inputs"):
                sizes = getattr(self, option)
                for size in sizes.values() if isinstance(sizes, Mapping) else [sizes]:
                    _expect(f"tree codebooks need {option}", size, TREE_SIZES, "a power of two from 2 to 256")

    def weight_size(self, layer: str) -> int:
        """Weight codebook size of a layer."""
        return _size(self.weights, layer)

    def input_size(self, layers: Collection[str]) -> int:
        """Size of the codebook read by these layers: the largest any of them asks for."""
        return max((_size(self.inputs, layer) for layer in layers), default=_size(self.inputs, "*"))

    def check_layers(self, layers: Collection[str]) -> None:
        """Raise ComposeError if sizes are given for a layer the network does not have."""
        for option in ("weights", "inputs"):
            sizes = getattr(self, option)
            unknown = [n for n in sizes if n != "*" and n not in layers] if isinstance(sizes, Mapping) else []
            if unknown:
                raise ComposeError(
                    f"{option}: the network has no layer {unknown[0]!r}; its layers are {', '.join(layers)}"
                )

    @classmethod
    def recorded(cls, info: Mapping[str, Any]) -> Settings:
        """The settings that an artifact's ``info`` records.

        Raises
        ------
        ArtifactError
            If it records none.
        """
        record = info.get("settings")
        if not isinstance(record, Mapping):
            raise ArtifactError(
                "the artifact does not record the settings it was composed with; compose it again"
            )
        return cls(**{field.name: record[field.name] for field in fields(cls) if field.name in record})

    def to_json(self) -> dict[str, Any]:
        """The settings as stored in an artifact."""
        return asdict(self)


def check_bound(max_loss: float | None) -> None:
    """Raise ComposeError if a bound on the loss is given that is not a share."""
    if max_loss is not None and (isinstance(max_loss, bool) or not 0 <= max_loss < 1):
        raise ComposeError(
            f"max_loss={max_loss!r}: expected a share from 0 to below 1, such as 0.005 for half a point of accuracy"
        )


def _size(sizes: Sizes, layer: str) -> int:
    if isinstance(sizes, Mapping):
        return sizes.get(layer, sizes.get("*", DEFAULT_SIZE))
    return sizes


def _expect(name: str, value: int, allowed: Collection[int], shown: str) -> None:
    if value not in allowed:
        raise ComposeError(f"{name}={value!r}: expected {shown}")
