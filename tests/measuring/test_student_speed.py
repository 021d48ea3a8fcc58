from __future__ import annotations

import pytest
import torch

from kdner.corpora.plan import plan_corpus
from kdner.measuring.student_speed import STEPS, StudentTimer, TeacherTimer, time_growth, time_steps
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import CORPUS


@pytest.fixture(scope="module")
def student_folder(make_student, tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("student")
    make_student(seed=3).save(folder)
    return str(folder)


def test_each_batch_of_a_student_is_timed(student_folder, toy_texts):
    timer = StudentTimer(student_folder, "float32", toy_texts[:20], toy_texts)
    for batch, batches in ((1, 48), (10, 5), (100, 1)):
        words, seconds = timer.time(batch)
        assert words == sum(len(text.split()) for text in toy_texts)
        assert len(seconds) == batches and all(one > 0 for one in seconds)


def test_a_teachers_batches_give_the_labels_that_it_gives_to_each_sentence(teacher_folder, teacher, toy_texts):
    timer = TeacherTimer(teacher_folder, torch.float32, toy_texts, sort=False, threads=1)
    sentences = [words for words, _ in timer.sentences]
    assert sentences == [text.split() for text in toy_texts]
    labels = [[teacher.labels[k] for k in row] for row in timer.label(sentences[:10])]
    assert labels == teacher.tags(sentences[:10])


def test_a_teacher_is_timed_on_batches_of_all_lengths(teacher_folder, toy_texts):
    timer = TeacherTimer(teacher_folder, torch.float32, toy_texts, sort=True, threads=1)
    lengths = [len(words) for words, _ in timer.sentences]
    assert lengths == sorted(lengths)
    words, seconds = timer.time(4, 3)  # of 12 batches: the 3rd, the 7th and the 11th
    assert len(seconds) == 3
    assert words == sum(count for k in (2, 6, 10) for _, count in timer.sentences[4 * k : 4 * k + 4])
    everything = sum(len(text.split()) for text in toy_texts)
    assert timer.time(4, 100)[0] == timer.time(100, 4)[0] == everything


@pytest.mark.parametrize("head", ["softmax", "crf"])
def test_the_steps_add_up_to_the_whole_way(head, make_student, make_corpus, toy_texts, tmp_path):
    make_student(head).save(tmp_path)
    documents = f"{tmp_path}/documents"
    RunDirectory.open(documents, {}).write_table("part.parquet", make_corpus(toy_texts * 5), CORPUS)
    corpus = plan_corpus([f"{documents}/part.parquet"], shard_documents=100)
    found = time_steps(str(tmp_path), "float32", corpus)
    assert found["words"] == 5 * sum(len(text.split()) for text in toy_texts)
    seconds = found["seconds"]
    assert list(seconds) == ["all", *STEPS, "other"] and all(seconds[step] > 0 for step in (*STEPS, "other"))
    assert sum(seconds.values()) == pytest.approx(2 * seconds["all"])
    assert found["peak_memory_mb"] > 50 and found["first_text_seconds"] > 0
    again = time_steps(str(tmp_path), "float32", corpus)["seconds"]
    assert sum(again[step] for step in STEPS) < again["all"]  # the clocks of before are gone


def test_growth_measures_so_many_words_and_one_long_document(student_folder, toy_texts):
    torch.set_num_threads(1)
    words = sum(len(text.split()) for text in toy_texts)
    small, large, long = time_growth(student_folder, "float32", toy_texts, [words // 2, 5 * words])
    assert words // 2 <= small["words"] < words < 5 * words <= large["words"] < 6 * words
    assert long["documents"] == 1 and long["words"] > 500_000
    assert all(row["microseconds_per_word"] > 0 for row in (small, large, long))
