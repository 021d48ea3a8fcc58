"""Datasets by name, ``hf:NAME[:SPLIT]``: of the Hugging Face hub, or of a local folder.

SPLIT is ``train`` if left out. A local folder holds a dataset saved by `save_to_disk`, or data files.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.fs as pafs
import pyarrow.parquet as pq

from kdner.errors import InputError
from kdner.runs.fingerprint import fingerprint_of_files
from kdner.runs.storage import commit, create_folder, join, locate

if TYPE_CHECKING:
    from datasets import Dataset

_ROWS_WRITTEN_AT_ONCE = 8192


def name_and_split(source: str) -> tuple[str, str]:
    """Give the NAME and the SPLIT of ``hf:NAME[:SPLIT]``; where no split is named it is empty."""
    name, _, split = source.removeprefix("hf:").partition(":")
    return name, split


def load(source: str) -> Dataset:
    """Load one split of a dataset; a dataset saved without splits is its own ``train`` split.

    Raises:
        InputError: if there is no such dataset or split, or the hub cannot be reached.
    """
    name, split = name_and_split(source)
    if not name:
        raise InputError(f"{source}: names no dataset; give hf:NAME[:SPLIT]")
    import datasets

    try:
        try:
            saved = datasets.load_from_disk(name) if Path(name).is_dir() else None
        except FileNotFoundError:
            saved = None  # a folder of data files, not one that the package saved
        if saved is None:
            return datasets.load_dataset(name, split=split or "train")
    except Exception as error:  # datasets and the HTTP clients under it share no base class
        raise InputError(
            f"{source}: the dataset cannot be loaded ({type(error).__name__}: {error}); check the name and "
            "the split in hf:NAME[:SPLIT], or, where the hub cannot be reached, save the dataset where it "
            "can be with save_to_disk(FOLDER) and give hf:FOLDER[:SPLIT]"
        ) from error
    if isinstance(saved, datasets.Dataset):
        if not split or saved.split is None:
            return saved
        saved = {str(saved.split): saved}
    wanted = split or "train"
    if wanted not in saved:
        raise InputError(f"{source}: has no split {wanted!r}, only {', '.join(saved)}; name one as hf:{name}:SPLIT")
    return saved[wanted]


def as_parquet(source: str, folder: str | None, text_column: str, id_column: str | None) -> str:
    """Write a dataset's texts and ids to one Parquet file in a folder, unless it is there, and give its path.

    Raises:
        InputError: if no folder is given, the dataset cannot be loaded, or it has no such text column.
    """
    if folder is None:
        raise InputError(f"{source}: no folder is given to write it to; save it as Parquet and name that file")
    name, split = name_and_split(source)
    identity: list[Any] = [name, split, (text_column, id_column)]
    if Path(name).is_dir():
        identity.append(fingerprint_of_files(sorted(str(p) for p in Path(name).rglob("*") if p.is_file())))
    key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    place = join(folder, key)
    path = join(place, f"{Path(name).name}-{split or 'train'}.parquet")
    filesystem, inner = locate(path)
    if filesystem.get_file_info(inner).type == pafs.FileType.File:
        return path
    dataset = load(source)
    names = dataset.column_names
    if text_column not in names:
        raise InputError(f"{source}: no column {text_column!r}, only {', '.join(names)}; name one with --text-column")
    columns = [column for column in names if column in (text_column, id_column or "id")]
    rows = dataset.select_columns(columns).with_format("arrow")
    create_folder(place)
    with commit(path) as file, pq.ParquetWriter(file, rows[:0].schema, compression="zstd") as writer:
        for batch in rows.iter(batch_size=_ROWS_WRITTEN_AT_ONCE):
            writer.write_table(batch)
    return path
