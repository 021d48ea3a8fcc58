"""The student as users have it: it tags texts, is saved in a folder and comes back from it, all without PyTorch."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

from kdner.runs.hub import CARD, describe, model_folder, push_folder
from kdner.student.saved import MODEL_FILES, SavedStudent, WeightsType
from kdner.student.tagger import Entity, Tagger
from kdner.student.thresholds import Score


@dataclass(eq=False, repr=False)
class Student(SavedStudent):
    """An LSTM-CNN tagger with its vocabulary, its label list and the language of its texts; its weights do not change.

    `kdner.student.network.Network.of` makes the network of it that PyTorch trains, and `of` a student of what that has
    learned.
    """

    card: str = ""
    """The model card of the folder that it was read from, for the next one."""
    _tagger: Tagger | None = field(default=None, init=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_tagger": None}

    @classmethod
    def of(cls, saved: SavedStudent, card: str = "") -> Student:
        """Return the student of what its files have, such as `network.saved()`."""
        return cls(saved.config, saved.vocabulary, saved.labels, saved.language, saved.weights, card)

    @overload
    def tag(self, texts: str, *, hard_wrapped: bool = ..., score: Score = ...) -> list[Entity]: ...  # type: ignore[overload-overlap]
    @overload
    def tag(self, texts: Iterable[str], *, hard_wrapped: bool = ..., score: Score = ...) -> list[list[Entity]]: ...
    def tag(
        self, texts: str | Iterable[str], *, hard_wrapped: bool = False, score: Score = None
    ) -> list[Entity] | list[list[Entity]]:
        """Return the entities of a text, or of each of many, by start, as `kdner.student.tagger.Tagger` does.

        With `score`, one threshold or a mapping of labels to theirs, entities with a lower score are left out. Any
        number of threads may call this at once.

        Raises:
            InputError: it is neither a string nor an iterable of strings; the message names the place of what is none.
                Or a threshold is not from 0 to 1, or of a label that the student does not have.
        """
        if self._tagger is None:
            self._tagger = Tagger(self)
        return self._tagger.tag(texts, hard_wrapped=hard_wrapped, score=score)

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        license: str | None = None,
        language: str | Sequence[str] | None = None,
        dtype: WeightsType = "float32",
    ) -> None:
        """Write `MODEL_FILES` and the card into a folder, which is created.

        Args:
            folder: a local folder.
            license: of the model, as the hub calls it, such as `cc-by-4.0`, for the card.
            language: its code or codes, such as `en`, for the card.
            dtype: numeric type of the weights on disk; bfloat16 takes half the room, and moves a score by some
                hundredths at most; int8 takes little more than a quarter, but older versions of kdner cannot read it.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.save(folder, dtype=dtype)
        (folder / CARD).write_text(self.card or self._plain_card(folder.name), encoding="utf-8")
        describe(folder / CARD, license=license, language=language)

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Put the student on the Hugging Face hub, with its card; returns the commit's address.

        Args:
            repo_id: `OWNER/MODEL`; it is created where there is none.
            options: those of `kdner.runs.hub.push_folder`, such as `license`, `language`, `private`, `token`.

        Raises:
            InputError: the hub refuses it.
        """
        with tempfile.TemporaryDirectory(prefix="kdner-") as parent:
            folder = Path(parent) / repo_id.rpartition("/")[2]  # the title of a new card
            self.save_pretrained(folder)
            return push_folder(folder, repo_id, **options)

    @classmethod
    def from_pretrained(cls, name: str | Path, revision: str | None = None, **options: Any) -> Student:
        """Read what `save_pretrained` or a job wrote.

        Args:
            name: a folder or its URI; `kdner/general-tiny`, which needs no network; or a model of the Hugging Face
                hub, `OWNER/MODEL` or `OWNER/MODEL@REVISION`. A folder wins.
            revision: branch, tag or commit on the hub.
            options: those of `kdner.runs.hub.model_folder`, such as `token`, `cache_dir`, `local_files_only`.

        Raises:
            InputError: there is no such folder or model, it is not a student's, or is one of another version's.
        """
        folder = model_folder(name, MODEL_FILES, revision=revision, **options)
        student = cls.of_folder(folder)
        if (folder / CARD).is_file():
            student.card = (folder / CARD).read_text("utf-8")
        return student

    def _plain_card(self, name: str) -> str:
        from kdner.student.model_card import plain_card  # here, because it imports the hub's client

        return plain_card(name, self.labels, self.parameters_count)
