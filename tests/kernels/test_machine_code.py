from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llvmlite import ir

from kdner.kernels import kernels
from kdner.kernels.machine_code import FLOAT, INT, SHORT, Function, compiled, lanes_of_processor
from kdner.kernels.product import BLOCK
from kdner.kernels.trie import BEGINNING, CONTINUATION, Trie, code_points_of
from kdner.student.vocabulary import MAX_PIECES, UNKNOWN, Vocabulary

LANES = [8, 16]


def run(write, parameters, *arrays):
    """Compile a function of arrays and call it."""
    module = ir.Module("test")
    f = Function(module, "tested", parameters)
    write(f)
    compiled(module, {"tested": f})["tested"](*(a.ctypes.data if isinstance(a, np.ndarray) else a for a in arrays))


def test_loops_variables_and_conditions():
    def collatz(f):
        with f.loop(f["count"]) as i:
            number, steps = f.variable(f["numbers"][i]), f.variable(f.number(0, INT))
            with f.repeat_while(lambda: number.get() > 1):
                odd = (number.get() % 2).equals(1)
                number.set(f.where(odd, number.get() * 3 + 1, number.get() / 2))
                steps.set(steps.get() + 1)
            f["numbers"][i] = steps.get()

    numbers = np.array([1, 6, 7, 27], np.int32)
    run(collatz, {"numbers": INT, "count": None}, numbers, len(numbers))
    assert numbers.tolist() == [0, 8, 16, 111]


@pytest.mark.parametrize("lanes", LANES)
def test_products_of_pairs_are_exact(lanes):
    draw = np.random.default_rng(0)
    a, b = (draw.integers(-(2**15) + 1, 2**15, 2 * lanes).astype(np.int16) for _ in range(2))
    out = np.empty(lanes, np.int32)
    run(
        lambda f: f["out"].set_several(0, f.products_of_pairs(*(f[x].several(0, 2 * lanes) for x in "ab"))),
        {"a": SHORT, "b": SHORT, "out": INT},
        *(a, b, out),
    )
    assert out.tolist() == (a.astype(np.int64) * b).reshape(-1, 2).sum(axis=1).tolist()


@pytest.mark.parametrize("lanes", LANES)
def test_float_becomes_the_nearest_whole_number(lanes):
    x = np.linspace(-2.5, 2.5, lanes, dtype=np.float32)
    out = np.empty(lanes, np.int32)
    run(lambda f: f["out"].set_several(0, f["x"].several(0, lanes).to(INT)), {"x": FLOAT, "out": INT}, x, out)
    assert out.tolist() == np.rint(x).tolist()


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("rows", [0, 1, 3, 9])
def test_a_product_and_each_of_its_rows(lanes, rows):
    draw = np.random.default_rng(rows)
    x, weights = (draw.normal(size=shape).astype(np.float32) for shape in ((rows, 37), (37, 3 * BLOCK)))
    bias, out = draw.normal(size=3 * BLOCK).astype(np.float32), np.empty((rows, 3 * BLOCK), np.float32)
    blocks = np.ascontiguousarray(weights.reshape(37, 3, BLOCK).swapaxes(0, 1))

    def product(x, out):
        kernels(lanes).product(*(a.ctypes.data for a in (x, blocks, bias, out)), len(x), 37, 3 * BLOCK)

    product(x, out)
    np.testing.assert_allclose(out, x @ weights + bias, rtol=1e-5, atol=1e-5)
    for row in range(rows):
        alone = np.empty((1, 3 * BLOCK), np.float32)
        product(np.ascontiguousarray(x[row : row + 1]), alone)
        assert np.array_equal(alone[0], out[row])


CHARACTERS = st.text(st.sampled_from("abcé東\U0001f642\ud800"), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(CHARACTERS, unique=True, min_size=1), st.lists(CHARACTERS, unique=True), st.lists(CHARACTERS, min_size=1)
)
def test_words_are_made_of_the_pieces_that_the_vocabulary_says(beginnings, continuations, words):
    vocabulary = Vocabulary(("a", "b"), ("a",), tuple(beginnings), tuple(continuations))
    trie = Trie.of(beginnings, continuations, UNKNOWN + 1 + len(vocabulary.words))
    characters, ends = code_points_of("".join(words)), np.cumsum(list(map(len, words)))
    found, out = np.empty(max(map(len, words)), np.int32), np.zeros((len(words), MAX_PIECES), np.int64)
    kernels().pieces(
        *(a.ctypes.data for a in (characters, ends, trie.keys, trie.nodes, trie.rows, found, out)),
        *(len(words), MAX_PIECES, trie.shift, trie.mask, BEGINNING, CONTINUATION, UNKNOWN),
    )
    for word, rows in zip(words, out.tolist(), strict=True):
        expected = vocabulary.pieces(word)
        assert rows == expected + [0] * (MAX_PIECES - len(expected))


def test_it_is_known_what_this_processor_computes_at_once():
    assert lanes_of_processor() in (0, 8, 16)
