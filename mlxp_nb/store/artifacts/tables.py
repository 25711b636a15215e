"""Tables of pandas: csv, parquet, feather."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

from mlxp_nb.errors import ArtifactError
from mlxp_nb.store.artifacts.libraries import need

# Older ones execute what a file holds: CVE-2023-47248.
ARROW_SAFE = "14.0.1"


def _frame(value: Any, kind: str) -> Any:
    """A pandas table; a Series, a mapping of columns, or anything with ``to_pandas`` becomes one.

    Raises
    ------
    ArtifactError
        It is no table.
    """
    pandas = need("pandas", kind)
    if isinstance(value, pandas.DataFrame):
        return value
    if isinstance(value, pandas.Series):
        return value.to_frame()
    if hasattr(value, "to_pandas"):
        return value.to_pandas()
    try:
        return pandas.DataFrame(value)
    except (TypeError, ValueError) as error:
        raise ArtifactError(
            f"{type(value).__name__} is not a table: {error}", "give a pandas.DataFrame"
        ) from error


def save_csv(value: Any, file: BinaryIO) -> None:
    """Columns with a line of names; an index that says something becomes columns."""
    frame = _frame(value, "csv")
    if not _is_count(frame.index):
        frame = frame.reset_index()
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    frame.to_csv(text, index=False, lineterminator="\n")
    text.detach()


def _is_count(index: Any) -> bool:
    """Whether an index only counts rows: 0, 1, 2, …."""
    count = need("pandas", "csv").RangeIndex(len(index))
    return bool(index.nlevels == 1 and index.name is None and index.equals(count))


def load_csv(file: BinaryIO) -> Any:
    """The table; types are those that pandas reads from the text."""
    return need("pandas", "csv").read_csv(file)


def save_parquet(value: Any, file: BinaryIO) -> None:
    """The table, its index and types kept."""
    need("pyarrow", "parquet", at_least=ARROW_SAFE)
    _frame(value, "parquet").to_parquet(file, engine="pyarrow")


def load_parquet(file: BinaryIO) -> Any:
    """The table."""
    need("pyarrow", "parquet", at_least=ARROW_SAFE)
    return need("pandas", "parquet").read_parquet(file, engine="pyarrow")


def save_feather(value: Any, file: BinaryIO) -> None:
    """The table; feather keeps no index but 0, 1, 2, …."""
    need("pyarrow", "feather", at_least=ARROW_SAFE)
    frame = _frame(value, "feather")
    if not _is_count(frame.index):
        raise ArtifactError(
            "feather does not keep the index of a table",
            'save table.reset_index(), or save it as "parquet"',
        )
    frame.to_feather(file)


def load_feather(file: BinaryIO) -> Any:
    """The table."""
    need("pyarrow", "feather", at_least=ARROW_SAFE)
    return need("pandas", "feather").read_feather(file)
