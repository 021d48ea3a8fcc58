from __future__ import annotations

import json

from huggingface_hub import ModelCard

from kdner.runs.run_directory import RunDirectory
from kdner.student.model_card import Origin
from kdner.teacher.model_card import MINILM, base_models, teacher_card

MADE = {"labels": ["O", "B-PER", "I-PER"], "sentences": 300, "parameters": 22_568_841}


def test_a_fine_tuned_encoders_card_is_read_by_the_hubs_client(tmp_path):
    origin = Origin.of("hf:conll2003:train", ["FacebookAI/roberta-base"])
    text = teacher_card("news", origin, **MADE, feature_based=False, recipe={"epochs": 3})
    card = ModelCard(text)
    assert card.data.to_dict() == {
        "base_model": ["FacebookAI/roberta-base"],
        "datasets": ["conll2003"],
        "library_name": "transformers",
        "pipeline_tag": "token-classification",
        "tags": ["named-entity-recognition", "kdner"],
    }
    for part in (
        "FacebookAI/roberta-base, fine-tuned",
        "PER",
        "22,568,841",
        "300 labeled",
        "| epochs | 3 |",
        "Licence",
    ):
        assert part in text
    compile(text.split("```python\n")[1].split("```")[0], "card", "exec")


def test_a_feature_based_taggers_card():
    text = teacher_card("news", Origin.of("/home/me/train.conll"), **MADE, feature_based=True, recipe={})
    assert ModelCard(text).data.to_dict()["library_name"] == "kdner"
    assert "An LSTM-CNN over the vectors of" in text and "of train.conll" in text and "/home/me" not in text
    compile(text.split("```python\n")[1].split("```")[0], "card", "exec")


def test_the_base_model_of_a_teacher_is_found_through_the_job_that_made_it(tmp_path):
    assert base_models("minilm") == base_models("features:minilm") == [MINILM]
    assert base_models("FacebookAI/roberta-base") == ["FacebookAI/roberta-base"]
    assert base_models(str(tmp_path)) == []
    run = RunDirectory.open(str(tmp_path / "teacher"), {"job": "finetune_teacher"})
    run.finish({"provenance": {"configuration": {"teacher": "features:minilm"}}})
    assert base_models(run.path) == [MINILM]
    (tmp_path / "teacher" / "config.json").write_text(json.dumps({}))
    again = RunDirectory.open(str(tmp_path / "again"), {"job": "finetune_teacher"})
    again.finish({"provenance": {"configuration": {"teacher": run.path}}})
    assert base_models(again.path) == [MINILM]
