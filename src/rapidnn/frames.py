"""Results as pandas data frames, where pandas is installed (extra ``frames``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

from rapidnn.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


def frame(records: Iterable[Any], index: str | None = None) -> pd.DataFrame:
    """One row a record (dataclass or mapping): its plain values, those of nested records as ``outer.inner``.

    Raises
    ------
    DataError
        If pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise DataError(
            "data frames need pandas, which is not installed: pip install 'rapidnn[frames]'"
        ) from None
    rows = [dict(_flat(record)) for record in records]
    found = pd.DataFrame(rows)
    return found.set_index(index) if index is not None and rows else found


def _flat(record: Any) -> Iterable[tuple[str, Any]]:
    fields = asdict(record) if is_dataclass(record) and not isinstance(record, type) else dict(record)
    for key, value in fields.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}.{inner}", cell) for inner, cell in _flat(value))
        elif not isinstance(value, list | tuple):
            yield key, value
