"""Packed rows on the CPU, where PyTorch stands in for the GPU's attention; what the GPU computes is in `test_gpu`."""

from __future__ import annotations

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch._dynamo.testing
from encoders import FIRST_POSITIONS, model_of, windows_of

from kdner.teacher.encoder import layers
from kdner.teacher.packed_rows import PackedRows, cut_rows, first_position_in_rows
from kdner.teacher.packed_runs import PackedRuns
from kdner.teacher.padded_batches import PaddedBatches
from kdner.teacher.products import join_products
from kdner.teacher.window_attention import runs_of


@pytest.mark.parametrize("family", FIRST_POSITIONS)
def test_which_families_can_be_packed_is_found_by_what_they_compute(family):
    model = model_of(family)
    usual = model.config._attn_implementation
    assert first_position_in_rows(model) == FIRST_POSITIONS[family]
    assert model.config._attn_implementation == usual


@pytest.mark.parametrize("family", [family for family, first in FIRST_POSITIONS.items() if first is not None])
def test_packed_windows_have_the_logits_that_they_have_alone(family):
    model = model_of(family)
    windows = windows_of([9, 1, 3, 24, 40, 2, 17, 30, 5])
    expected = PaddedBatches(copy.deepcopy(model), 0)(windows, 5, lambda output: output.logits, torch.float32)
    for row_pieces in (40, 64, 500):
        packed = PackedRows(copy.deepcopy(model), FIRST_POSITIONS[family], 40, row_pieces=row_pieces)
        logits = packed(windows, 5, lambda output: output.logits, torch.float32)
        torch.testing.assert_close(logits, expected, atol=2e-4, rtol=1e-4)
    for batch_pieces in (1, 50, 500):
        packed = PackedRuns(copy.deepcopy(model), FIRST_POSITIONS[family], batch_pieces=batch_pieces)
        logits = packed(windows, 5, lambda output: output.logits, torch.float32)
        torch.testing.assert_close(logits, expected, atol=2e-4, rtol=1e-4)


def test_a_window_that_is_longer_than_a_row_is_refused():
    with pytest.raises(ValueError, match="a window of 41 pieces has no room in a row of 40"):
        list(cut_rows(windows_of([9, 41, 3]), 40))


def test_batches_of_runs_have_every_window_once_and_equal_work():
    engine = PackedRuns(model_of("bert"), 0, batch_pieces=256)
    for lengths in (np.random.default_rng(2).integers(1, 60, 500), np.array([7]), np.array([600, 3, 3])):
        batches = engine.batches(lengths)
        assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
        work = [lengths[batch].sum() for batch in batches]
        assert max(work) <= 256 + lengths.max()
        assert max(work) - min(work) <= 120 or lengths.max() > 256
    assert engine.batches(np.zeros(0, np.int64)) == []
    assert runs_of(np.array([9, 9, 4, 9])) == [(2, 9), (1, 4), (1, 9)] and runs_of(np.zeros(0, np.int64)) == []


@pytest.mark.parametrize("family", ["bert", "mpnet", "deberta-v2"])
def test_batches_of_fixed_shapes_have_the_same_logits(family):
    model = model_of(family)
    windows = windows_of([9, 1, 3, 24, 40, 2, 17, 30, 5, 130, 3])
    usual = PaddedBatches(model, 0)
    fixed = PaddedBatches(model, 0, batch_pieces=256, fixed_up_to=130)
    expected, logits = (engine(windows, 5, lambda output: output.logits, torch.float32) for engine in (usual, fixed))
    torch.testing.assert_close(logits, expected, atol=2e-4, rtol=1e-4)


def test_fixed_shapes_are_few():
    engine = PaddedBatches(model_of("bert"), 0, batch_pieces=4096, fixed_up_to=600)
    lengths = np.random.default_rng(3).integers(1, 600, 5000)
    cut = list(engine.shapes(lengths))
    assert sorted(np.concatenate([batch for batch, _ in cut]).tolist()) == list(range(5000))
    assert all(lengths[batch].max() <= size and len(batch) <= count for batch, (count, size) in cut)
    assert len({shape for _, shape in cut}) <= 8


def test_hidden_states_of_packed_windows():
    model = model_of("bert")
    windows = windows_of([9, 1, 3, 24])
    results = [
        engine(windows, 32, lambda output: output.hidden_states[-2], torch.float16, output_hidden_states=True)
        for engine in (PaddedBatches(copy.deepcopy(model), 0), PackedRows(copy.deepcopy(model), 0, 40, row_pieces=30))
    ]
    assert results[0].dtype == torch.float16
    torch.testing.assert_close(*results, atol=2e-3, rtol=1e-2)


def test_rows_are_full_and_have_every_window_once():
    windows = windows_of(np.random.default_rng(1).integers(2, 60, 500))
    rows = list(cut_rows(windows, 256))
    for spans, count in (("windows", 500), ("words", len(windows.firsts)), ("pieces", len(windows.pieces))):
        bounds = [(getattr(row, spans).start, getattr(row, spans).stop) for row in rows]
        assert bounds[0][0] == 0 and bounds[-1][1] == count
        assert all(stop == start for (_, stop), (start, _) in pairwise(bounds))
    filled = [row.pieces.stop - row.pieces.start for row in rows]
    assert max(filled) <= 256 and min(filled[:-1]) > 256 - 60
    assert next(cut_rows(windows_of([1]), 256)).pieces == slice(0, 1)


@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "distilbert"])
def test_joint_products_change_no_logits_and_all_layers_share_one_graph(family):
    model = model_of(family)
    pieces = torch.randint(3, 200, (1, 30))
    count = sum(parameter.numel() for parameter in model.parameters())
    with torch.inference_mode():
        expected = model(input_ids=pieces).logits
    join_products(layers(model), lambda: model(input_ids=pieces))
    counter = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    for layer in layers(model):
        layer.compile(backend=counter, dynamic=False, fullgraph=True)
    with torch.inference_mode():
        for _ in range(3):
            torch.testing.assert_close(model(input_ids=pieces).logits, expected, atol=1e-5, rtol=1e-5)
    products = sum(
        "linear" in str(node.target) or "addmm" in str(node.target)
        for node in counter.graphs[0].graph.nodes
        if node.op == "call_function"
    )
    assert counter.frame_count == 1 and products == 4
    assert sum(parameter.numel() for parameter in model.parameters()) == count


def test_a_joint_product_begins_anew_after_a_failure():
    model = model_of("bert")
    pieces = torch.randint(3, 200, (1, 30))
    join_products(layers(model), lambda: model(input_ids=pieces))
    with torch.inference_mode():
        expected = model(input_ids=pieces).logits
        attention = layers(model)[1].attention.self
        attention.key, key = None, attention.key
        with pytest.raises(TypeError):
            model(input_ids=pieces.flip(1))
        attention.key = key
        torch.testing.assert_close(model(input_ids=pieces).logits, expected)


def test_an_encoder_whose_padding_is_its_last_piece_is_packed_too():
    model = model_of("bert")
    model.config.pad_token_id = model.config.vocab_size - 1
    assert first_position_in_rows(model) == 0
