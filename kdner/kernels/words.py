"""What a student sees of a word, as machine code: the pieces that it is made of, its vector and its characters.

Shapes: T words, P pieces of a word at most, C characters of all words, D features of a word, of which W are of its
vector and F of its characters, V known characters, K places of a filter.
"""

from __future__ import annotations

from collections.abc import Iterator

from llvmlite import ir

from kdner.kernels.machine_code import FLOAT, INT, LONG, SHORT, Function, Value, Variable

NONE = -1
"""In place of a row: there is none. In place of a key: nothing lies here."""
CHARACTER_BITS = 21
"""A code point has no more."""
HASH = 0x9E3779B97F4A7C15 - (1 << 64)
"""2**64 by the golden ratio: a multiple's upper bits are spread evenly (Knuth, volume 3, 6.4)."""


def pieces(module: ir.Module) -> Function:
    """Write how words are made of pieces: the longest that begins one, the longest that goes on from there, and so on.

    Pieces lie in a trie: a step from a node by a character is the key `node << CHARACTER_BITS | character`, found by
    hashing and looking further on.

    Parameters:
        characters: int32 [C], code points of all words, one after the other.
        ends: int64 [T], one past the last character of each.
        keys: int64 [a power of two], of the steps of the trie, or `NONE`.
        nodes: int32, the node that each step leads to.
        rows: int32, the row of the piece that ends at each node, or `NONE`.
        found: int32 [characters of the longest word], scratch.
        out: int64 [T, P], written: the rows of each word's pieces, as many as there are; of more than P the first and
            the last P / 2.
        words, most: T and P.
        shift: bits of a hash that are not used.
        mask: places of keys, less one.
        beginning, continuation: the nodes from which pieces at the beginning of a word, and later ones, are looked up.
        unknown: the row of a character that no piece begins with.
    """
    arrays = {"characters": INT, "ends": LONG, "keys": LONG, "nodes": INT, "rows": INT, "found": INT, "out": LONG}
    numbers = ("words", "most", "shift", "mask", "beginning", "continuation", "unknown")
    f = Function(module, "pieces", arrays | dict.fromkeys(numbers))
    begin = f.variable(f.number(0, LONG))
    with f.loop(f["words"]) as word:
        stop, count = f["ends"][word], f.variable(f.number(0, LONG))
        root = f.variable(f["beginning"])
        with f.repeat_while(lambda: begin.get() < stop):
            node, place = f.variable(root.get()), f.variable(begin.get())
            row, end = f.variable(f["unknown"]), f.variable(begin.get() + 1)

            def goes_on(node: Variable = node, place: Variable = place, stop: Value = stop) -> Value:
                return f.both(place.get() < stop, node.get() > NONE)

            with f.repeat_while(goes_on):
                character = f["characters"][place.get()].to(LONG)
                node.set(_step(f, node.get() * (1 << CHARACTER_BITS) + character))
                place.set(place.get() + 1)
                piece = f["rows"][f.where(node.get() > NONE, node.get(), f["beginning"])].to(LONG)
                ends = f.both(node.get() > NONE, piece > NONE)
                row.set(f.where(ends, piece, row.get()))
                end.set(f.where(ends, place.get(), end.get()))
            f["found"][count.get()] = row.get().to(INT)
            count.set(count.get() + 1)
            begin.set(end.get())
            root.set(f["continuation"])
        most = f["most"]
        kept = f.where(count.get() < most, count.get(), most)
        with f.loop(kept) as number:
            from_end = f.where(number < most / 2, number, count.get() - kept + number)
            f["out"][word * most + number] = f["found"][from_end].to(LONG)
    return f


def _step(f: Function, key: Value) -> Value:
    """Return the node that a step leads to, or `NONE`."""
    place = f.variable((key * HASH).shifted_right(f["shift"]))
    with f.repeat_while(lambda: f.both(f["keys"][place.get()].differs(key), f["keys"][place.get()].differs(NONE))):
        place.set((place.get() + 1).masked(f["mask"]))
    return f.where(f["keys"][place.get()].equals(key), f["nodes"][place.get()].to(LONG), f.number(NONE, LONG))


def encode(module: ir.Module, lanes: int) -> Function:
    """Write the features of words: the mean of the vectors of a word's pieces and its own vector, and its filters.

    Parameters:
        vectors: float32 [rows, W].
        own: int64 [T], the row of each word's own vector, 0 without one.
        pieces: int64 [T, P], rows of the pieces, 0 after the last.
        most: P.
        characters: int64 [C], characters of all words, one after the other.
        ends: int64 [T], one past the last character of each.
        answers: float32 [K, V, F], what each character adds to each filter; 0 for character 0.
        bias: float32 [F].
        out: float32 [T, W + F], written.
        words, width, filters, known, places: T, W, F, V and K.
    """
    arrays = {"vectors": FLOAT, "own": LONG, "pieces": LONG, "characters": LONG, "ends": LONG, "answers": FLOAT}
    numbers = ("words", "most", "width", "filters", "known", "places")
    f = Function(module, "encode", arrays | {"bias": FLOAT, "out": FLOAT} | dict.fromkeys(numbers))
    width, filters, most, places = f["width"], f["filters"], f["most"], f["places"]
    first = f.variable(f.number(0, LONG))
    with f.loop(f["words"]) as word:
        out = f["out"].from_(word * (width + filters))
        rows, own, end = f["pieces"].from_(word * most), f["own"][word], f["ends"][word]
        count = f.variable(f.number(0, LONG))
        with f.loop(most) as piece:
            count.set(f.where(rows[piece].equals(0), count.get(), count.get() + 1))
        share = f.number(1.0, FLOAT) / count.get().to(FLOAT)
        there = f.where(own.equals(0), 0.0, f.number(1.0, FLOAT))
        for place, several in _vectors(f, width, lanes):
            total = f.variable(f["vectors"].several(own * width + place, several) * there.spread(several))
            with f.loop(count.get()) as piece:
                vector = f["vectors"].several(rows[piece] * width + place, several)
                total.set(f.fma(vector, share.spread(several), total.get()))
            out.set_several(place, total.get())
        begin, highest = first.get(), out.from_(width)
        with f.loop(end, start=begin) as character:
            for place, several in _vectors(f, filters, lanes):
                answer = f.variable(f.zeros(FLOAT, several))
                with f.loop(places) as k:
                    seen = character + k - places / 2
                    inside = f.both(seen < end, begin <= seen)
                    known = f.where(inside, f["characters"][f.where(inside, seen, begin)], f.number(0, LONG))
                    row = f["answers"].several((k * f["known"] + known) * filters + place, several)
                    answer.set(answer.get() + row)
                best = f.intrinsic("maxnum", answer.get(), highest.several(place, several))
                highest.set_several(place, f.where(begin.equals(character), answer.get(), best))
        for place, several in _vectors(f, filters, lanes):
            biased = highest.several(place, several) + f["bias"].several(place, several)
            highest.set_several(place, f.intrinsic("maxnum", biased, f.zeros(FLOAT, several)))
        first.set(end)
    return f


def enter_words(module: ir.Module, pieces: Function, encode: Function, enter: Function) -> Function:
    """Write what the first LSTM is given of words: what `pieces`, `encode` and `kdner.kernels.lstm.enter` do in turn.

    Parameters: those of the three by the same names, but for
        code_points, code_ends: `pieces`' characters and ends;
        rows_of_nodes: `pieces`' rows;
        row_weights, row_bias: `enter`'s weights and bias;
        piece_rows: int64 [T, P], scratch;
        features: float32 [T, W + F], scratch;
        table: `enter`'s out;
        columns: of the table.
    """
    given = {"code_points": INT, "code_ends": LONG, "own": LONG, "characters": LONG, "ends": LONG, "table": SHORT}
    weights = {"keys": LONG, "nodes": INT, "rows_of_nodes": INT, "vectors": FLOAT, "answers": FLOAT, "bias": FLOAT}
    scratch = {"found": INT, "piece_rows": LONG, "features": FLOAT}
    numbers = ("words", "most", "shift", "mask", "beginning", "continuation", "unknown", "width", "filters", "known")
    arrays = given | weights | {"row_weights": FLOAT, "row_bias": FLOAT} | scratch
    f = Function(module, "enter_words", arrays | dict.fromkeys((*numbers, "places", "columns")))
    with f.loop(f["words"] * f["most"]) as place:
        f["piece_rows"][place] = 0

    def call(other: Function, *names: str) -> None:
        f.call(other, *(f[name] for name in names))

    call(pieces, "code_points", "code_ends", "keys", "nodes", "rows_of_nodes", "found", "piece_rows", *numbers[:7])
    sizes = ("words", "most", "width", "filters", "known", "places")
    call(encode, "vectors", "own", "piece_rows", "characters", "ends", "answers", "bias", "features", *sizes)
    inner = f["width"] + f["filters"]
    f.call(enter, f["features"], f["row_weights"], f["row_bias"], f["table"], f["words"], inner, f["columns"])
    return f


def _vectors(f: Function, width: Value, lanes: int) -> Iterator[tuple[Value, int]]:
    """Write a loop over vectors, and one over the numbers that are left; each has a place, and how many stand there."""
    whole = width - width % lanes
    for start, stop, several in ((f.number(0, LONG), whole, lanes), (whole, width, 1)):
        with f.loop(stop, start=start, step=several) as place:
            yield place, several
