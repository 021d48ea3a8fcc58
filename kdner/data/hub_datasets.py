"""Datasets by name, ``hf:NAME[/CONFIG][:SPLIT]``: of the Hugging Face hub, or of a local folder.

NAME, CONFIG and SPLIT are what `datasets.load_dataset` takes. NAME is ``ORG/DATASET``, or a folder that holds a dataset
saved by `save_to_disk` or data files; CONFIG is one of its configurations, where it has several; SPLIT is ``train`` if
left out. Of ``A/B`` on the hub, A is the organization, unless there is only a dataset A with a configuration B.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from kdner.errors import InputError

if TYPE_CHECKING:
    from datasets import Dataset

FORM = "hf:NAME[/CONFIG][:SPLIT]"

T = TypeVar("T")


def is_dataset(source: str) -> bool:
    """Tell whether a source names a dataset; ``hf://`` begins the paths of a file system."""
    return source.startswith("hf:") and not source.startswith("hf://")


def name_and_split(source: str) -> tuple[str, str]:
    """Give the NAME, with its CONFIG, and the SPLIT of a dataset; where no split is named it is empty.

    In the path of a local folder ``~`` is the home folder.
    """
    name, _, split = source.removeprefix("hf:").partition(":")
    return os.path.expanduser(name), split  # noqa: PTH111 - a folder of a name like ~nobody stays as it is


def local_files_of(source: str) -> list[str]:
    """Give the files of a dataset that is a local folder; none of one of the hub."""
    folder = folder_of(source)
    return sorted(str(path) for path in folder.rglob("*") if path.is_file()) if folder else []


def folder_of(source: str) -> Path | None:
    """Give the folder of a dataset that is a local one; None of one of the hub."""
    name, _ = _candidates(name_and_split(source)[0])[0]
    return Path(name) if name and Path(name).is_dir() else None


def load(source: str) -> Dataset:
    """Load one split of a dataset; a dataset saved without splits is its own ``train`` split.

    Raises:
        InputError: if there is no such dataset, configuration or split, or the hub cannot be reached.
    """
    import datasets

    name, split = name_and_split(source)
    saved = _of(source, lambda name, _: datasets.load_from_disk(name)) if _is_saved(name) else None
    if saved is None:
        return _of(source, lambda name, config: datasets.load_dataset(name, config, split=split or "train"))
    if isinstance(saved, datasets.Dataset):
        if not split:
            return saved
        saved = {str(saved.split or "train"): saved}
    _check_split(source, list(saved))
    return saved[split or "train"]


def of_parquet(path: Path) -> Dataset:
    """Read one file of Parquet as a dataset; integers that a `ClassLabel` names have their names.

    Raises:
        InputError: it cannot be read.
    """
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return datasets.Dataset(datasets.table.InMemoryTable(pq.read_table(path)))
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"{path}: cannot be read as Parquet ({error}). Is the path right, and the file whole?"
        ) from None


def parquet_files(source: str) -> list[str] | None:
    """Give the paths of the Parquet files of a dataset's split; None where it is made of others, or of parts of splits.

    Raises:
        InputError: if there is no such dataset, configuration or split, or the hub cannot be reached.
    """
    import datasets
    from datasets.packaged_modules.parquet.parquet import Parquet

    name, split = name_and_split(source)
    if _is_saved(name) or set(split) & set("[+"):
        return None
    builder = _of(source, lambda name, config: datasets.load_dataset_builder(name, config))
    if not isinstance(builder, Parquet):
        return None
    files = {str(known): paths for known, paths in builder.config.data_files.items()}
    _check_split(source, list(files))
    return list(map(str, files[split or "train"]))


def _of(source: str, call: Callable[[str, str | None], T]) -> T:
    """Call with the name and configuration of a dataset; what goes wrong is the user's to mend."""
    import datasets

    path, _ = name_and_split(source)
    if not path:
        raise InputError(f"{source}: names no dataset; give {FORM}")
    failure: Exception | None = None
    for name, config in _candidates(path):
        try:
            if config is not None:
                _check_configuration(source, name, config)
            return call(name, config)
        except InputError:
            raise
        except datasets.exceptions.DatasetNotFoundError as error:
            failure = failure or error
        except Exception as error:  # datasets and the HTTP clients under it share no base class
            failure = error
            if "Config name is missing" in str(error):
                known = datasets.get_dataset_config_names(name)
                raise InputError(
                    f"{source}: has the configurations {', '.join(known)}; name one, as in hf:{name}/{known[0]}"
                ) from None
            break
    raise InputError(
        f"{source}: the dataset cannot be loaded ({type(failure).__name__}: {failure}); check the name, the "
        f"configuration and the split in {FORM}, or, where the hub cannot be reached, save the dataset with "
        "save_to_disk(FOLDER) and give hf:FOLDER[:SPLIT]"
    ) from failure


def _check_configuration(source: str, name: str, config: str) -> None:
    """Check that a dataset has a configuration: `datasets` would make one of any name over all of its files."""
    import datasets

    known = datasets.get_dataset_config_names(name)
    if config not in known:
        raise InputError(
            f"{source}: the dataset {name} has no configuration {config!r}, only {', '.join(known)}; name one, as in "
            f"hf:{name}/{known[0]}"
        )


def _check_split(source: str, known: Sequence[str]) -> None:
    name, split = name_and_split(source)
    if (split or "train") not in known:
        raise InputError(
            f"{source}: has no split {split or 'train'!r}, only {', '.join(known)}; name one as hf:{name}:SPLIT"
        )


def _candidates(path: str) -> list[tuple[str, str | None]]:
    """Give names and configurations that a path may mean, the likeliest first."""
    above, _, last = path.rstrip("/").rpartition("/")
    parts = path.split("/")
    if Path(path).is_dir() and not _names_configuration(Path(above or "."), last):
        return [(path, None)]
    if above and Path(above).is_dir():
        return [(above, last)]
    if len(parts) == 3:
        return [(above, last)]
    return [(path, None), (above, last)] if len(parts) == 2 else [(path, None)]


def _names_configuration(folder: Path, name: str) -> bool:
    """Tell whether the dataset card of a folder has a configuration of that name."""
    card = folder / "README.md"
    pattern = rf"""^[-\s]*config_name:\s*(["']?){re.escape(name)}\1\s*$"""
    return bool(name) and card.is_file() and bool(re.search(pattern, card.read_text("utf-8", "replace"), re.MULTILINE))


def _is_saved(name: str) -> bool:
    """Tell whether `save_to_disk` made a folder."""
    return any((Path(name) / file).is_file() for file in ("state.json", "dataset_dict.json"))
