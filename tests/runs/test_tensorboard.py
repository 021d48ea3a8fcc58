from __future__ import annotations

from event_files import events, scalars

from kdner.progress import Progress
from kdner.runs.tensorboard import TensorBoard


def train(folder, done, losses):
    progress = Progress("distill_student", "step", watchers=[TensorBoard(folder)])
    progress.begin(done + len(losses), done=done)
    for loss in losses:
        progress.advance(1, 100, loss=loss)


def test_numbers_by_step(tmp_path):
    progress = Progress("distill_student", "step", watchers=[TensorBoard(tmp_path)])
    progress.begin(3)
    progress.advance(1, 100, loss=0.5)
    progress.advance(1, 100, loss=0.25, development_f1=0.75)
    progress.advance(1, 100, loss=0.125)
    (path,) = (tmp_path / "tensorboard").iterdir()
    assert scalars(path) == {("loss", 1): 0.5, ("loss", 2): 0.25, ("development_f1", 2): 0.75, ("loss", 3): 0.125}
    assert {value.tag for event in events(path) for value in event.summary.value} == {
        "loss",
        "development_f1",
        "words_per_second",
    }


def test_a_training_that_goes_on_takes_back_what_it_does_again(tmp_path):
    train(tmp_path, 0, [0.5])
    before = set((tmp_path / "tensorboard").iterdir())
    train(tmp_path / "again", 10, [0.75])
    assert len(before) == 1
    (path,) = (tmp_path / "again" / "tensorboard").iterdir()
    assert scalars(path) == {("loss", 11): 0.75}
    starts = [event.step for event in events(path) if event.session_log.status == 1]  # SessionLog.START
    assert starts == [11]
