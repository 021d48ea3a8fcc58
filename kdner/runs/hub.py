"""Models on the Hugging Face hub: their files fetched by name, and a model directory put there with its card.

Only the files that are asked for are fetched; nothing of a repository is ever run. The hub's client is imported by
whoever needs the hub, so that a model in a folder does without it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from kdner.errors import InputError
from kdner.runs.run_directory import OLD_NAMES, RunDirectory
from kdner.runs.storage import local_folder

CARD = "README.md"
"""The model card, beside the files of a model."""
PUBLISHED = (CARD, "*.json", "*.safetensors", "*.txt", "*.model")
"""What of a model directory is put on a hub: weights, configurations and tokenizers."""
KEPT_BACK = ("_*", ".*", "*/.*", "tensorboard/*", *OLD_NAMES.values())
"""What of a model directory is the run's own."""
SHIPPED = Path(__file__).parents[1] / "student" / "pretrained"
"""Folder of the models that come with this package, each by the name `kdner/FOLDER`."""
_NAME = re.compile(r"(?P<name>((?P<owner>[\w-][\w.-]*)/)?[\w-][\w.-]*)(@(?P<revision>[\w./-]+))?")


def model_folder(
    name: str | Path,
    files: Sequence[str],
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    needs_owner: bool = True,
) -> Path:
    """Return the local folder of a model, by its name.

    Args:
        name: a folder, or its URI; else a model that comes with this package, such as `kdner/general-tiny`; else one of
            the hub, `OWNER/MODEL` or `OWNER/MODEL@REVISION`. The first of these that there is.
        files: names of the files to fetch from a hub, or patterns of them, which has a card beside them.
        revision: branch, tag or commit on the hub; by default that in the name, else `main`.
        token: the hub's, as `huggingface_hub` takes it: by default the one that this machine is logged in with.
        cache_dir: folder of the hub's cache; by default the usual one.
        local_files_only: whether only the cache is looked into.
        needs_owner: whether a name without an owner can only be a folder's; some of the oldest models have none.

    Raises:
        InputError: it is no name; there is no such folder, and the hub has no such model, cannot be reached, or wants a
            token; or the folder is that of an unfinished run.
    """
    if not isinstance(name, str | Path):
        raise InputError(f"{name!r}: expected a folder, or a model of the hub as OWNER/MODEL")
    match = _NAME.fullmatch(str(name))
    if match and needs_owner and not match["owner"]:
        match = None
    if isinstance(name, Path) or "://" in name or Path(name).exists() or match is None:
        if revision is not None:
            raise InputError(
                f"{name}: revision {revision!r} is for a model of a hub, and this is a folder; leave it out"
            )
        folder = local_folder(name)
        if not folder.is_dir():
            raise InputError(f"{name}: no such folder; give one, or a model of the hub as OWNER/MODEL")
        RunDirectory(str(folder)).refuse_unfinished()
        return folder
    revision = revision or match["revision"]
    if revision is None and (shipped := shipped_folder(match["name"])):
        return shipped
    from huggingface_hub import snapshot_download

    try:
        fetched = snapshot_download(
            match["name"],
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            allow_patterns=[*files, CARD],
            ignore_patterns="*/*",
        )
    except Exception as error:  # the client and the HTTP library under it share no base class
        at = f" at revision {revision!r}" if revision else ""
        raise InputError(
            f"{name}: no such folder, and the hub gives nothing of this name{at} ({_first_line(error)}); check the "
            "name, the revision and the connection; for a private model log in with: hf auth login"
        ) from error
    return Path(fetched)


def shipped_folder(name: str) -> Path | None:
    """Return the folder of a model that comes with this package; None where none has this name."""
    owner, _, model = name.partition("/")
    return SHIPPED / model if owner == "kdner" and model and (SHIPPED / model).is_dir() else None


def pinned(name: str, files: Sequence[str], *, needs_owner: bool = True) -> str:
    """Return a model's name as all processes of a job can use it: of a folder its full path, on a hub with the commit.

    Raises:
        InputError: there is no such model; see `model_folder`.
    """
    folder = model_folder(name, files, needs_owner=needs_owner)
    if "://" not in name and Path(name).exists():
        return str(folder.absolute())
    return name if "://" in name or folder == shipped_folder(name) else f"{name.partition('@')[0]}@{folder.name}"


def push_folder(
    folder: str | Path,
    repo_id: str,
    *,
    license: str | None = None,
    language: str | Sequence[str] | None = None,
    private: bool | None = None,
    token: str | bool | None = None,
    branch: str | None = None,
    create_pr: bool = False,
    commit_message: str = "Add a model of kdner",
) -> str:
    """Put a model directory, a student's or a teacher's, on the hub in one commit; returns the commit's address.

    The repository is created where there is none. What a job wrote about its run stays here.

    Args:
        folder: the model directory.
        repo_id: `OWNER/MODEL`.
        license: of the model, as the hub calls it, such as `cc-by-4.0`; written into the card, here and there.
        language: its code or codes, such as `en`; written into the card, too.
        private: whether a new repository is private; by default what the owner's are.
        token: the hub's, as `huggingface_hub` takes it.
        branch: to commit to; by default `main`.
        create_pr: whether to open a pull request instead.
        commit_message: of the commit.

    Raises:
        InputError: it is no folder with a card, or the hub refuses it.
    """
    folder = Path(folder)
    if not (folder / CARD).is_file():
        raise InputError(f"{folder}: no model directory with a card ({CARD}); give what a job or save_pretrained wrote")
    describe(folder / CARD, name=repo_id, license=license, language=language)
    from huggingface_hub import HfApi

    try:
        api = HfApi(token=token)
        name = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        commit = api.upload_folder(
            repo_id=name,
            folder_path=folder,
            commit_message=commit_message,
            revision=branch,
            create_pr=create_pr,
            allow_patterns=list(PUBLISHED),
            ignore_patterns=list(KEPT_BACK),
        )
    except Exception as error:  # as in `model_folder`
        raise InputError(
            f"{repo_id}: the hub did not take {folder} ({_first_line(error)}); log in with: hf auth login, and check "
            "the name, the branch and the connection"
        ) from error
    return str(commit)


def describe(
    card: Path, *, name: str | None = None, license: str | None = None, language: str | Sequence[str] | None = None
) -> None:
    """Write into a card what only its publisher knows: licence and languages, and the name to load the model by."""
    if license is None and language is None and name is None:
        return
    from huggingface_hub import ModelCard

    content = ModelCard(card.read_text("utf-8"), ignore_metadata_errors=False)
    if license is not None:
        content.data.license = license
        content.text = content.text.replace(NO_LICENSE, f"Licence: {license}.")
    if language is not None:
        content.data.language = language if isinstance(language, str) else list(language)
    if name is not None:
        content.text = re.sub(r'from_pretrained\("[^"]*"\)', f'from_pretrained("{name}")', content.text)
    card.write_text(str(content), encoding="utf-8")


NO_LICENSE = (
    "Licence: not stated. Those of the labeled set, of the corpus and of the base model say what the model may be used "
    "for."
)
"""What a card says until its publisher names a licence."""


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
