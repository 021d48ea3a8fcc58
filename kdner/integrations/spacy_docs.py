"""Documents with entities as spaCy's DocBin: what `spacy train` reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kdner.data.text_files import clean
from kdner.integrations.annotated import Annotated, tagged_sentences

if TYPE_CHECKING:
    import pyarrow as pa
    from spacy.tokens import Doc
    from spacy.vocab import Vocab

SCORE = "kdner_score"
"""Extension of spaCy's spans: `entity._.kdner_score`, 0 to 1; None where people labeled."""


def docbin(documents: Sequence[Annotated], labels: Sequence[str], kept: Sequence[pa.Field] = ()) -> bytes:
    """Write a DocBin. Its Docs have kdner's words, with `Doc.text` exactly the text, sentences and entities.

    What no text holds (`kdner.data.text_files.clean`), and spaCy does not take, becomes U+FFFD.

    `doc.user_data` has the document's `id` and metadata, `entity._.kdner_score` is the score.
    """
    from spacy.tokens import DocBin
    from spacy.vocab import Vocab

    vocab = Vocab()
    made = (make_doc(document, vocab) for document in documents)
    content: bytes = DocBin(attrs=["ENT_IOB", "ENT_TYPE", "SENT_START"], docs=made, store_user_data=True).to_bytes()
    return content


def make_doc(document: Annotated, vocab: Vocab) -> Doc:
    """Make spaCy's Doc of a document with entities; what lies between words is made tokens, so that no text is lost."""
    from spacy.tokens import Doc

    register_score()
    text, _ = clean(document.text)
    words: list[str] = []
    spaces: list[bool] = []
    starts: list[bool] = []
    tags: list[str] = []
    end = 0

    def add_gap(start: int) -> None:
        gap = text[end:start]
        if gap.startswith(" ") and words:
            spaces[-1] = True
            gap = gap[1:]
        if gap:
            words.append(gap)
            spaces.append(False)
            starts.append(False)
            tags.append("")

    for sentence in tagged_sentences(document):
        for number, start in enumerate(sentence.words.starts):
            add_gap(start)
            end = sentence.words.ends[number]
            words.append(text[start:end])
            spaces.append(False)
            starts.append(number == 0)
            tag = sentence.tags[number]
            if tag.startswith("I-") and tags[-1] == "":
                tags[-1] = tag  # white space inside an entity belongs to it
            tags.append(tag)
    add_gap(len(text))
    if starts:
        starts[0] = True
    doc = Doc(vocab, words=words, spaces=spaces, sent_starts=starts, ents=[tag or "O" for tag in tags])
    doc.user_data.update(document.record(id=document.id))
    if not document.is_gold:
        for span, entity in zip(doc.ents, document.entities, strict=True):
            span._.set(SCORE, entity.score)
    return doc


def register_score() -> None:
    """Tell spaCy of `entity._.kdner_score`, unless it knows."""
    from spacy.tokens import Span

    if not Span.has_extension(SCORE):
        Span.set_extension(SCORE, default=None)
