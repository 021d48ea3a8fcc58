from __future__ import annotations

import pytest

from kdner.corpora.plan import plan_corpus
from kdner.distillation.recipe import Distillation
from kdner.student.config import StudentConfig
from kdner.study.specs import Study
from kdner.teacher.fine_tuning import FineTuning


@pytest.fixture
def study(train_file, test_file, corpus_file, bert_base):
    return Study(
        labeled=train_file,
        test=test_file,
        corpus=plan_corpus([corpus_file]),
        transfer_words=0,
        teachers=(bert_base, f"{bert_base}#7"),
        students=("labeled", "both", "distillation,teachers=2,hidden=8", "both,transfer=rest,head=crf"),
        fine_tuning=FineTuning(learned=1.0, epochs=8, min_steps=1, batch_sentences=8, learning_rate=5e-3),
        student=StudentConfig(word_dim=16, character_dim=8, character_filters=8, hidden=16, dropout=0.1),
        distillation=Distillation(epochs=2, min_steps=40, batch_words=60, learning_rate=1e-2),
        development_share=0.15,
    )
