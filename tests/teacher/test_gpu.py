"""What must hold on a machine with a GPU: run with `pytest -m gpu tests/teacher`; needs no Ray."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from encoders import FIRST_POSITIONS, model_of, windows_of

from kdner.device import best_device, best_dtype
from kdner.distillation.recipe import Distillation
from kdner.distillation.trainer import Trainer
from kdner.progress import Progress
from kdner.student.tagger import Tagger
from kdner.teacher.model import Teacher
from kdner.teacher.packed_rows import PackedRows
from kdner.teacher.padded_batches import PaddedBatches
from kdner.teacher.score_documents import ScoreDocuments
from kdner.teacher.window_attention import by_runs, runs_of

pytestmark = pytest.mark.gpu


def test_the_teacher_scores_as_on_the_cpu(teacher_folder, toy):
    words = [sentence.words()[0] for sentence in toy]
    assert best_device().type == "cuda"
    on_gpu = Teacher.load(teacher_folder, dtype=torch.float32).score(words)
    on_cpu = Teacher.load(teacher_folder, device=torch.device("cpu"), dtype=torch.float32).score(words)
    for a, b in zip(on_gpu, on_cpu, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)
    assert best_dtype(best_device()) is torch.bfloat16
    half = Teacher.load(teacher_folder).score(words)
    same = sum((a.argmax(1) == b.argmax(1)).sum() for a, b in zip(half, on_cpu, strict=True))
    assert same >= 0.99 * sum(len(b) for b in on_cpu)


def test_the_kernel_attends_within_windows():
    from kdner.teacher.window_kernel import attend

    sizes = torch.tensor([9, 70, 1, 130, 50, 33, 1, 1, 1], device="cuda")
    stops = sizes.cumsum(0)
    starts, ends = (torch.repeat_interleave(places.int(), sizes) for places in (stops - sizes, stops))
    for width, sliding in ((16, 0), (32, 5), (64, 0), (128, 70)):
        q, k, v = torch.randn(3, 4, int(stops[-1]), width, device="cuda", dtype=torch.bfloat16)
        attended = attend(q, k, v, starts, ends, width**-0.5, sliding).float()
        row = runs_of(sizes.cpu().numpy())
        exact, _ = by_runs(
            None, q[None].float(), k[None].float(), v[None].float(), None, row=row, sliding_window=sliding
        )
        assert (attended - exact[0]).norm() / exact.norm() < 1e-2


@pytest.mark.parametrize("family", [family for family, first in FIRST_POSITIONS.items() if first is not None])
def test_packed_rows_on_the_gpu_have_the_logits_of_windows_alone(family):
    model, first = model_of(family), FIRST_POSITIONS[family]
    draw = np.random.default_rng(5)
    windows = windows_of(draw.integers(1, 40, 400))
    exact = PaddedBatches(model, 0)(windows, 5, lambda output: output.logits, torch.float32)
    packed = PackedRows(model.to("cuda", torch.bfloat16), first, 40, row_pieces=1024)
    logits = packed(windows, 5, lambda output: output.logits, torch.float32)
    again = packed(windows, 5, lambda output: output.logits, torch.float32)
    assert torch.equal(logits, again)
    assert (logits.cpu() - exact).norm() / (exact - exact.mean(0)).norm() < 0.1


def test_a_family_that_cannot_be_packed_is_compiled_for_few_shapes():
    model = model_of("deberta-v2")
    windows = windows_of(np.random.default_rng(5).integers(1, 120, 400))
    exact = PaddedBatches(model, 0)(windows, 5, lambda output: output.logits, torch.float32)
    compiled = PaddedBatches(model.to("cuda"), 0, fixed_up_to=128)
    logits = compiled(windows, 5, lambda output: output.logits, torch.float32)
    assert (logits.cpu() - exact).norm() / (exact - exact.mean(0)).norm() < 0.01


def test_an_actor_scores_documents_in_threads_as_it_does_alone(teacher_folder, toy_texts, make_corpus):
    actor = ScoreDocuments([teacher_folder])
    assert isinstance(actor.teachers[0].engine, PackedRows)
    corpora = [make_corpus(toy_texts[k::6]) for k in range(6)]
    alone = [actor(corpus) for corpus in corpora]
    with ThreadPoolExecutor(3) as threads:
        assert all(a.equals(b) for a, b in zip(threads.map(actor, corpora), alone, strict=True))


def test_a_student_trains_on_the_gpu(make_network, toy):
    network = make_network()
    trainer = Trainer(
        network,
        Distillation(epochs=2, min_steps=1, batch_words=100),
        seed=1,
        labeled=toy,
        development=toy[:8],
        device=best_device(),
    )
    trainer.train(lambda record: None, Progress("distill", "step"))
    assert trainer.state.history[-1]["loss"] < trainer.state.history[0]["loss"]
    assert Tagger(network).engine.device.type == "cuda"
