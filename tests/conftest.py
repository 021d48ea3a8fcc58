from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["PYTHONPATH"] = os.pathsep.join(  # for Ray's workers
    map(str, (*Path(__file__).parents[:2], Path(__file__).parents[1] / "jobs" / "examples"))
)

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from files import put_columns
from hypothesis import settings
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizerFast,
    DebertaV2Config,
    DebertaV2Model,
    DebertaV2TokenizerFast,
    RobertaConfig,
    RobertaModel,
    RobertaTokenizerFast,
)

from kdner.distillation.recipe import Distillation
from kdner.distillation.trainer import Trainer
from kdner.labeled.sentence import LabeledSentence
from kdner.labels.tags import label_list
from kdner.progress import Progress
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import CORPUS, LOGITS
from kdner.student.config import StudentConfig
from kdner.student.model import Student
from kdner.student.network import Network
from kdner.student.vocabulary import Vocabulary
from kdner.teacher.fine_tuning import FineTuning, fine_tune
from kdner.teacher.model import Teacher
from kdner.teacher.score_documents import ScoreDocuments
from kdner.text.words import split

settings.register_profile("kdner", deadline=None)  # nothing is timed in tests
settings.load_profile("kdner")

PEOPLE = ["Anna", "Tom", "Mary", "Omar", "Anna Schmidt", "Tom Brown"]
PLACES = ["Paris", "Berlin", "Rome", "New York"]
PATTERNS = [
    "{p} flew to {q} .",
    "In {q} , {p} met {r} in 1996 .",
    "{q} won 2-1 , said {p} .",
    "Rain is expected .",
]


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    folder = os.environ.get("KDNER_DATA")
    if not folder:
        pytest.skip("KDNER_DATA names no folder of real data")
    return Path(folder)


@pytest.fixture(params=[0o022, 0o007], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def toy_sentence(k: int, pattern: str) -> LabeledSentence:
    fillers = {"p": PEOPLE[k % 6], "q": PLACES[k % 4], "r": PEOPLE[(k + 1) % 6]}
    words, tags = [], []
    for part in pattern.split(" "):
        filler = fillers[part[1]] if part.startswith("{") else part
        name = {"p": "PER", "r": "PER", "q": "LOC"}[part[1]] if part.startswith("{") else None
        for i, word in enumerate(filler.split(" ")):
            words.append(word)
            tags.append("O" if name is None else f"{'I' if i else 'B'}-{name}")
    return LabeledSentence.of_gold_words(f"toy:{k}:{pattern[:6]}", k, words, tags)


@pytest.fixture(scope="session")
def toy() -> list[LabeledSentence]:
    """A labeled set that a tiny model can learn: 48 sentences with people and places."""
    return [toy_sentence(k, pattern) for k in range(12) for pattern in PATTERNS]


@pytest.fixture(scope="session")
def labels(toy) -> list[str]:
    return label_list(tag for sentence in toy for tag in sentence.tags)


@pytest.fixture(scope="session")
def toy_texts(toy) -> list[str]:
    return [sentence.text for sentence in toy]


SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
}


def _trained(model, split_by, trainer, texts) -> dict:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = split_by
    tokenizer.train_from_iterator(texts, trainer)
    return json.loads(tokenizer.to_str())["model"]


def _write_encoder(folder, tokenizer, model_class, config) -> str:
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    model_class(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def bert_base(tmp_path_factory, toy_texts) -> str:
    """Model directory of a tiny BERT that was never trained; it reads 40 pieces at once."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=150, show_progress=False, special_tokens=special)
    model = models.WordPiece(unk_token="[UNK]")
    vocab = _trained(model, pre_tokenizers.BertPreTokenizer(), trainer, toy_texts)["vocab"]
    tokenizer = BertTokenizerFast(vocab=vocab, do_lower_case=False)
    config = BertConfig(vocab_size=len(tokenizer), **SHAPE)
    return _write_encoder(tmp_path_factory.mktemp("bert"), tokenizer, BertModel, config)


@pytest.fixture(scope="session")
def roberta_base(tmp_path_factory, toy_texts) -> str:
    """The same as a RoBERTa: byte-level BPE, saved without a prefix space as on the hub."""
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        show_progress=False,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    bpe = _trained(models.BPE(), pre_tokenizers.ByteLevel(), trainer, toy_texts)
    tokenizer = RobertaTokenizerFast(vocab=bpe["vocab"], merges=[tuple(merge) for merge in bpe["merges"]])
    config = RobertaConfig(vocab_size=len(tokenizer), pad_token_id=1, **SHAPE)
    return _write_encoder(tmp_path_factory.mktemp("roberta"), tokenizer, RobertaModel, config)


@pytest.fixture(scope="session")
def deberta_base(tmp_path_factory, toy_texts) -> str:
    """The same as a DeBERTa-v2: Unigram over Metaspace."""
    trainer = trainers.UnigramTrainer(
        vocab_size=120,
        show_progress=False,
        unk_token="[UNK]",
        special_tokens=["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"],
    )
    pieces = _trained(models.Unigram(), pre_tokenizers.Metaspace(), trainer, toy_texts)["vocab"]
    tokenizer = DebertaV2TokenizerFast(vocab=[tuple(piece) for piece in pieces], unk_id=3)
    config = DebertaV2Config(
        vocab_size=len(tokenizer),
        relative_attention=True,
        position_buckets=16,
        pos_att_type=["p2c", "c2p"],
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        position_biased_input=False,
        type_vocab_size=0,
        **SHAPE,
    )
    return _write_encoder(tmp_path_factory.mktemp("deberta"), tokenizer, DebertaV2Model, config)


@pytest.fixture(scope="session")
def toy_recipe() -> FineTuning:
    return FineTuning(learned=1.0, epochs=12, min_steps=1, batch_sentences=8, learning_rate=5e-3)


@pytest.fixture(scope="session")
def teacher_folder(tmp_path_factory, bert_base, toy, labels, toy_recipe) -> str:
    """Model directory of a teacher that has learned the toy set."""
    sentences = [sentence.words() for sentence in toy]
    progress = Progress("fine-tune", "step")
    teacher = fine_tune(bert_base, sentences, labels, toy_recipe, seed=1, progress=progress)
    folder = tmp_path_factory.mktemp("teacher")
    teacher.save(folder)
    return str(folder)


@pytest.fixture(scope="session")
def teacher(teacher_folder) -> Teacher:
    return Teacher.load(teacher_folder, device=torch.device("cpu"), dtype=torch.float32)


@pytest.fixture(scope="session")
def make_corpus():
    """Make a table of `kdner.runs.schema.CORPUS` of texts; ids are the row numbers."""

    def make(texts):
        return pa.table([[str(i) for i in range(len(texts))], list(texts)], schema=CORPUS)

    return make


@pytest.fixture(scope="session")
def logits_folder(tmp_path_factory, teacher_folder, toy_texts, labels, make_corpus) -> str:
    """Finished run directory of the toy texts' logits, two sentences a document, in two shards."""
    texts = [f"{a}\n{b}" for a, b in zip(toy_texts[::2], toy_texts[1::2], strict=True)]
    assert all(len(split(text)) == 2 for text in texts)
    score = ScoreDocuments([teacher_folder], dtype=torch.float32)
    names = ["part-00000.parquet", "part-00001.parquet"]
    path = str(tmp_path_factory.mktemp("logits"))
    run = RunDirectory.open(path, {"job": "test"}, {"files": names, "labels": labels, "teachers": 1})
    run.write_table(names[0], score(make_corpus([*texts[:10], None])), LOGITS)
    run.write_table(names[1], score(make_corpus(texts[10:])), LOGITS)
    run.finish({})
    return path


@pytest.fixture(scope="session")
def make_network(toy, labels):
    """Make the network of a tiny student that knows most of the toy set's words; equal seeds give equal weights."""

    def make(head="softmax", seed=0, labels=labels, **options):
        counts = Counter(word for sentence in toy for word in sentence.words()[0])
        shape = {
            "word_dim": 8,
            "character_dim": 4,
            "character_filters": 6,
            "hidden": 12,
            "dropout": 0.1,
            **options,
        }
        torch.manual_seed(seed)
        return Network(StudentConfig(head=head, **shape), Vocabulary.build(counts, max_words=20), labels).eval()

    return make


@pytest.fixture(scope="session")
def make_student(make_network):
    """Make the student of such a network."""
    return lambda *arguments, **options: Student.of(make_network(*arguments, **options).saved())


@pytest.fixture(scope="session")
def taught(make_network, toy):
    """A tiny student that has learned the toy set."""
    network = make_network(dropout=0.0)
    recipe = Distillation(epochs=15, min_steps=1, batch_words=100)
    Trainer(network, recipe, seed=1, labeled=toy).train(lambda _: None, Progress("taught", "step"))
    return Student.of(network.saved())


@pytest.fixture(scope="session")
def taught_folder(taught, tmp_path_factory) -> str:
    """The folder of that student."""
    folder = tmp_path_factory.mktemp("taught")
    taught.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def train_file(tmp_path_factory, toy):
    return put_columns(tmp_path_factory.mktemp("labeled") / "train.conll", toy)


@pytest.fixture(scope="session")
def test_file(tmp_path_factory, toy):
    return put_columns(tmp_path_factory.mktemp("labeled") / "test.conll", toy[::5])


@pytest.fixture(scope="session")
def corpus_file(tmp_path_factory, toy):
    """A Parquet file of 61 documents, one of them null, one empty."""
    texts = [f"{s.text}\n{toy[(7 * k) % len(toy)].text}" for k, s in enumerate([*toy, *toy[:11]])]
    texts += [None, " "]
    path = tmp_path_factory.mktemp("corpus") / "corpus.parquet"
    pq.write_table(pa.table({"id": [f"d{i}" for i in range(len(texts))], "text": texts}), path)
    return str(path)


@pytest.fixture(scope="session")
def cluster():
    """A real Ray cluster on this machine, shared by all tests that need one."""
    import ray

    from kdner.on_ray.cluster import connect

    os.environ.update(RAY_metrics_report_interval_ms="1000")  # not 10 s, for which tests of metrics would wait
    connect()
    yield
    ray.shutdown()
