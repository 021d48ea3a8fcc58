"""Train spaCy's own `ner` on a few gold sentences, and on the same with the labels that kdner's teachers gave a corpus.

Reads   DocBins of jobs/convert.py (gold and test sentences) and of jobs/export.py (a run of precompute_logits)
Prints  strict F1 on the test sentences, of either training
Needs   spaCy (pip install 'kdner[spacy]'), one core and some minutes

    python jobs/convert.py --labeled eng.train --labeled-size 300 --format docbin --out gold.spacy
    python jobs/convert.py --labeled eng.testb --format docbin --out test.spacy
    python jobs/finetune_teacher.py --labeled eng.train --labeled-size 300 --teacher minilm --out runs/teacher
    python jobs/precompute_logits.py --corpus news.parquet --teacher runs/teacher --out runs/logits
    python jobs/export.py --run runs/logits --format docbin --out runs/pseudo
    python jobs/examples/train_spacy.py --gold gold.spacy --pseudo runs/pseudo --test test.spacy
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import spacy
import tyro
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import fix_random_seed, minibatch
from spacy.vocab import Vocab

from kdner.errors import InputError

SENTENCES_AT_ONCE = 16
DROPOUT = 0.2


@dataclass(frozen=True, kw_only=True)
class TrainSpacy:
    """Train spaCy's ner with and without the teachers' labels."""

    gold: str
    """DocBin of the labeled set."""
    pseudo: str
    """Folder of DocBins that jobs/export.py made of a run of precompute_logits."""
    test: str
    """DocBin to measure on."""
    language: str = "en"
    """spaCy's code of the language."""
    words: int = 500_000
    """Words that each training reads in all, some of them many times."""
    gold_share: float = 0.25
    """Share of them that are gold, where there are others."""
    seed: int = 1
    """Of first weights, of the order of sentences and of dropout."""


def train_spacy(config: TrainSpacy) -> dict[str, float]:
    """Train both; returns their F1 by what they learned from."""
    try:
        vocab = spacy.blank(config.language).vocab
    except ImportError as error:
        raise InputError(f"--language {config.language}: {error}") from None
    gold, test = read([Path(config.gold)], vocab), read([Path(config.test)], vocab)
    pseudo = read(sorted(Path(config.pseudo).glob("part-*.spacy")), vocab)
    for name, docs in {config.gold: gold, config.test: test, config.pseudo: pseudo}.items():
        if not docs:
            raise InputError(f"{name}: holds no sentences; give what jobs/convert.py or jobs/export.py wrote as docbin")
    print(f"gold: {len(gold):,} sentences; pseudo-labels: {len(pseudo):,} sentences, {words_of(pseudo):,} words")
    scores = {}
    for name, sets in {"gold": [gold], "gold and pseudo-labels": [gold, pseudo]}.items():
        scores[name] = f1(trained(sets, config), test)
        print(f"spaCy's ner of {name}: F1 {100 * scores[name]:.1f} on {len(test):,} sentences", flush=True)
    return scores


def read(paths: Sequence[Path], vocab: Vocab) -> list[Doc]:
    """Read the sentences of DocBins, each as a Doc of its own; a Doc without sentences is one.

    Raises:
        InputError: a file is no DocBin, or cannot be read.
    """
    docs: list[Doc] = []
    for path in paths:
        try:
            docs += DocBin().from_disk(path).get_docs(vocab)
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read as a DocBin ({error})") from None
    spans = (span for doc in docs for span in (doc.sents if doc.has_annotation("SENT_START") else [doc[:]]))
    return [span.as_doc() for span in spans if len(span)]


def words_of(docs: Sequence[Doc]) -> int:
    """Count the tokens of Docs."""
    return sum(map(len, docs))


def trained(sets: Sequence[Sequence[Doc]], config: TrainSpacy) -> spacy.Language:
    """Train a new ner on one set, or on two of which the first has its share of the words."""
    fix_random_seed(config.seed)
    draw = random.Random(config.seed)
    nlp = spacy.blank(config.language)
    nlp.add_pipe("ner")
    shares = [1.0] if len(sets) == 1 else [config.gold_share, 1 - config.gold_share]
    docs: list[Doc] = []
    for one, share in zip(sets, shares, strict=True):
        left = config.words * share
        while left > 0:
            taken = draw.sample(one, len(one))
            docs += taken
            left -= words_of(taken)
    draw.shuffle(docs)
    optimizer = nlp.initialize(lambda: [example(nlp, doc) for doc in docs[:1000]])
    for batch in minibatch(docs, SENTENCES_AT_ONCE):
        nlp.update([example(nlp, doc) for doc in batch], sgd=optimizer, drop=DROPOUT)
    return nlp


def f1(nlp: spacy.Language, test: Sequence[Doc]) -> float:
    """Measure strict F1, on the test set's own words."""
    score: float = nlp.evaluate([example(nlp, doc) for doc in test])["ents_f"]
    return score


def example(nlp: spacy.Language, doc: Doc) -> Example:
    """Give a Doc and the same without its entities, as spaCy learns and measures."""
    bare = Doc(nlp.vocab, words=[token.text for token in doc], spaces=[bool(token.whitespace_) for token in doc])
    return Example(bare, doc)


if __name__ == "__main__":
    try:
        train_spacy(tyro.cli(TrainSpacy))
    except InputError as error:
        sys.exit(f"error: {error}")
