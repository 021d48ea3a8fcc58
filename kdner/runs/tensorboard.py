"""The numbers of a training, such as its loss, as TensorBoard shows them.

TensorBoard itself, in the extra `tensorboard`, is needed to look at them only.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kdner.progress import Progress

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

FOLDER = "tensorboard"
"""Folder of a run directory that holds the numbers."""
FLUSH_S = 10
"""Seconds between two writes to disk."""


class TensorBoard:
    """Watches the progress of a training and writes its numbers, and its words per second, as scalars by step.

    A training that goes on writes another file into the same folder, which takes back steps that are done again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FOLDER
        self._writer: SummaryWriter | None = None

    def __call__(self, progress: Progress) -> None:
        """Write the numbers that the progress shows."""
        if self._writer is None:
            from tensorboardX import SummaryWriter  # here, so that only trainings wait for it

            self._writer = SummaryWriter(str(self.folder), purge_step=progress.done + 1, flush_secs=FLUSH_S)
        if progress.words:
            for name, value in {**progress.latest, "words_per_second": progress.words_per_second}.items():
                self._writer.add_scalar(name, value, progress.done)
        if progress.finished:
            self._writer.close()
