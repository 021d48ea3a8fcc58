"""The files of a corpus and its shards, as tables: a million of them take some 100 MB, and one is made when asked for.

Both are sequences of plain values, `SourceFile` and `Shard`, over Arrow tables, which can be kept and sent as they are.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kdner.corpora.files import SourceFile
from kdner.corpora.slices import Slice

FILES = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("format", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("mtime_ns", pa.int64()),
        pa.field("encoding", pa.string(), nullable=False),
        pa.field("is_entered_at_offsets", pa.bool_(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("text_bytes", pa.int64(), nullable=False),
        pa.field("id_column", pa.string()),
        pa.field("digest", pa.string()),
        pa.field("ids_digest", pa.string()),
    ]
)
"""A row for each file, with the fields of `SourceFile`."""
SHARDS = pa.schema(
    [
        pa.field("shard", pa.int64(), nullable=False),
        pa.field("file", pa.int64(), nullable=False),
        pa.field("first", pa.int64(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("offset", pa.int64()),
        pa.field("text_bytes", pa.int64(), nullable=False),
        pa.field("passed", pa.int64(), nullable=False),
    ]
)
"""A row for each slice of each shard, in order, with the number of its file and the other fields of `Slice`."""
_ROWS_AT_ONCE = 8192

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shard:
    """A fixed slice of the corpus, in one or more files."""

    index: int
    slices: tuple[Slice, ...]

    @property
    def name(self) -> str:
        """Name of the one file that a job makes of this shard."""
        return shard_name(self.index)

    @property
    def documents(self) -> int:
        """Number of documents."""
        return sum(piece.rows for piece in self.slices)

    @property
    def text_bytes(self) -> int:
        """Bytes of text, as far as they are known when the plan is made."""
        return sum(piece.text_bytes for piece in self.slices)


def shard_name(index: int) -> str:
    """Return the name of the one file that a job makes of a shard."""
    return f"part-{index:05d}.parquet"


class _Rows(Sequence[T]):
    """A sequence over a table; equal where the tables are."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table.combine_chunks()

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...

    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        if isinstance(place, slice):
            return tuple(map(self._at, range(*place.indices(len(self)))))
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        return self._at(place % len(self))

    def __len__(self) -> int:
        return self.table.num_rows

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (type(self), _as_stream(self.table))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Rows) and self.table.equals(other.table)

    def __hash__(self) -> int:
        return hash((len(self), self[0] if len(self) else None))

    def _at(self, place: int) -> T:
        return next(self._of(self.table.slice(place, 1)))

    @abstractmethod
    def _of(self, table: pa.Table) -> Iterator[T]:
        """Yield the values of a table's rows."""


class FileTable(_Rows[SourceFile]):
    """The files of a corpus, in order."""

    @classmethod
    def of(cls, files: Iterable[SourceFile]) -> FileTable:
        """Gather files; none is kept as a value."""
        rest, batches = iter(files), []
        while some := list(itertools.islice(rest, _ROWS_AT_ONCE)):
            columns = {field.name: [getattr(file, field.name) for file in some] for field in fields(SourceFile)}
            batches.append(pa.record_batch([columns[name] for name in FILES.names], schema=FILES))
        return cls(pa.Table.from_batches(batches, FILES))

    def __iter__(self) -> Iterator[SourceFile]:
        return self._of(self.table)

    def _of(self, table: pa.Table) -> Iterator[SourceFile]:
        for batch in table.to_batches(_ROWS_AT_ONCE):
            for row in batch.to_pylist():
                yield SourceFile(**row)


class ShardTable(_Rows[Shard]):
    """The shards of a corpus, in order."""

    def __init__(self, table: pa.Table, files: FileTable) -> None:
        """Take a table of `SHARDS`, and the files whose numbers it has."""
        super().__init__(table)
        self.files = files
        numbers = self.table["shard"].to_numpy()
        self._begins = np.append(np.flatnonzero(np.diff(numbers, prepend=-1)), len(numbers))

    @property
    def documents(self) -> np.ndarray:
        """The number of documents of each shard."""
        return self._sums("rows")

    @property
    def text_bytes(self) -> np.ndarray:
        """The bytes of text of each shard, as far as they are known when the plan is made."""
        return self._sums("text_bytes")

    @property
    def names(self) -> list[str]:
        """The name of each shard's file."""
        return [shard_name(index) for index in range(len(self))]

    @property
    def entries(self) -> tuple[np.ndarray, np.ndarray]:
        """From where the first document of each shard is read, and whether that is in Parquet.

        [N, 2]: the number of the file, and the first row of the row group; 0 where a file can only be read from its
        start; both -1 where it is entered at an offset.
        """
        first = self.table.take(self._begins[:-1])
        files = first["file"].to_numpy()
        in_parquet = pc.equal(self.files.table["format"], "parquet").to_numpy()[files]
        rows = np.where(in_parquet, first["first"].to_numpy() - first["passed"].to_numpy(), 0)
        is_entered = first["offset"].is_valid().to_numpy()
        return np.where(is_entered[:, None], -1, np.stack([files, rows], axis=1)), in_parquet

    def part(self, numbers: np.ndarray) -> ShardTable:
        """Return the table of some shards, by their numbers in order, with the files that they need and no others."""
        rows = np.concatenate([np.arange(self._begins[k], self._begins[k + 1]) for k in numbers.tolist()])
        slices = self.table.take(rows)
        files, places = np.unique(slices["file"].to_numpy(), return_inverse=True)
        column = SHARDS.get_field_index("file")
        slices = slices.set_column(column, SHARDS.field(column), pa.array(places, pa.int64()))
        return ShardTable(slices, FileTable(self.files.table.take(files)))

    def __len__(self) -> int:
        return len(self._begins) - 1

    def __iter__(self) -> Iterator[Shard]:
        return self._of(self.table)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (type(self), _as_stream(self.table), self.files)

    def _sums(self, column: str) -> np.ndarray:
        return np.add.reduceat(self.table[column].to_numpy(), self._begins[:-1])

    def _at(self, place: int) -> Shard:
        first, last = self._begins[place : place + 2]
        return next(self._of(self.table.slice(first, last - first)))

    def _of(self, table: pa.Table) -> Iterator[Shard]:
        last, file = -1, None
        for index, rows in itertools.groupby(_dicts(table), lambda row: row.pop("shard")):
            slices = []
            for row in rows:
                if (number := row.pop("file")) != last or file is None:
                    last, file = number, self.files[number]
                slices.append(Slice(file, **row))
            yield Shard(index, tuple(slices))


def _dicts(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(_ROWS_AT_ONCE):
        yield from batch.to_pylist()


def _as_stream(table: pa.Table) -> bytes:
    """Return a table as a stream of Arrow, which takes a tenth of the time of its pickle."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _unpickled(kind: Callable[..., Any], stream: bytes, *others: Any) -> Any:
    return kind(pa.ipc.open_stream(stream).read_all(), *others)
