from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import yaml
from huggingface_hub import ModelCard

from kdner.student.model import Student
from kdner.student.model_card import MeasuredQuality, model_card

SUMMARY = {
    "labels": ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"],
    "parameters": 2_999_000,
    "vocabulary_words": 27_000,
    "labeled_sentences": 638,
    "development_sentences": 112,
    "transfer_words": 1_500_000,
    "best_epoch": 7,
    "development_f1": 0.7734,
}


def test_its_front_matter_is_what_the_hub_reads():
    card = model_card("news", SUMMARY, {}, {})
    _, front_matter, body = card.split("---\n", 2)
    assert yaml.safe_load(front_matter) == {
        "library_name": "kdner",
        "pipeline_tag": "token-classification",
        "tags": ["named-entity-recognition", "distillation", "lstm"],
    }
    assert body.startswith("\n# news\n")
    assert ModelCard(card).data.to_dict() == yaml.safe_load(front_matter)


def test_the_hubs_client_is_loaded_for_cards_only():
    code = "import sys, kdner.student; sys.exit('huggingface_hub' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_card_tells_what_it_is_and_how_it_was_made():
    card = model_card("news", SUMMARY, {"hidden": 128}, {"alpha": 0.5})
    assert card.startswith("---\nlibrary_name: kdner\n")
    for part in (
        "# news",
        "LOC, PER",
        "2,999,000",
        "27,000 words",
        "638 labeled",
        "1,500,000 words",
        "0.7734",
        "112",
        "epoch 7",
    ):
        assert part in card
    assert "| hidden | 128 |\n| alpha | 0.5 |" in card


def test_its_example_is_python():
    code = model_card("news", SUMMARY, {}, {}).split("```python\n")[1].split("```")[0]
    compile(code, "card", "exec")


def test_a_student_without_development_sentences():
    card = model_card("news", {**SUMMARY, "development_f1": None, "development_sentences": 0}, {}, {})
    assert "not measured: no development sentences" in card


QUALITY = MeasuredQuality(test_set="eng.testb: 1", sentences=3453, f1=0.8123, precision=0.8, recall=0.825)


def test_the_quality_on_a_test_set_is_read_by_the_hubs_client(tmp_path):
    (tmp_path / "README.md").write_text(model_card("news", SUMMARY, {}, {}, quality=QUALITY))
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.model_name == "news"
    assert {result.metric_type: result.metric_value for result in card.data.eval_results} == {
        "f1": 0.8123,
        "precision": 0.8,
        "recall": 0.825,
    }
    for result in card.data.eval_results:
        assert (result.task_type, result.dataset_name) == ("token-classification", "eng.testb: 1")
        assert result.dataset_args == {"sentences": 3453}
    for part in ("F1 0.8123", "precision 0.8000", "recall 0.8250", "3,453 sentences", "eng.testb", "0.7734", "112"):
        assert part in card.text
    assert "not measured" not in card.text


def test_it_shows_texts_of_its_own_kind_and_warns():
    sample = 'Čapek said: "R.U.R." \\ \ud800'
    card = model_card("news", SUMMARY, {}, {}, sample=sample, examples="student*   [Anna PER] left.", warning="Beware.")
    code = card.split("```python\n")[1].split("```")[0]
    compile(code, "card", "exec")
    assert f".tag({sample!r})" in code and card.encode()
    assert "```text\nstudent*   [Anna PER] left.\n```" in card and "of its development set" in card
    assert card.index("**Beware.**") < card.index("An LSTM-CNN")
    assert "Angela Merkel" not in card


PER_LABEL = {
    "LOC": {"f1": 0.9, "precision": 0.8, "recall": 1.0, "support": 60, "f1_interval": [0.85, 0.95]},
    "PER": {"f1": 0.7, "precision": 0.7, "recall": 0.7, "support": 1040},
}


def test_it_has_the_scores_of_each_label_with_intervals_where_they_were_measured():
    measured = replace(QUALITY, per_label=PER_LABEL, f1_interval=(0.8, 0.82), seconds_per_document=0.0125)
    card = model_card("news", SUMMARY, {}, {}, quality=measured)
    assert "| LOC | 0.9000 (0.8500 to 0.9500) | 0.8000 | 1.0000 | 60 |" in card
    assert "| PER | 0.7000 | 0.7000 | 0.7000 | 1,040 |" in card
    assert "| **all** | 0.8123 (0.8000 to 0.8200) | 0.8000 | 0.8250 | 1,100 |" in card
    assert "12.5 ms a document of eng.testb: 1" in card


def test_a_label_called_all_does_not_stand_for_all_labels():
    measured = replace(QUALITY, per_label={**PER_LABEL, "all": {**PER_LABEL["PER"], "support": 7}})
    card = model_card("news", SUMMARY, {}, {}, quality=measured)
    assert "| all | 0.7000 | 0.7000 | 0.7000 | 7 |" in card
    assert "| **all** | 0.8123 | 0.8000 | 0.8250 | 1,107 |" in card


def test_it_names_the_base_model_and_the_data():
    origin = {"labeled": "hf:conll2003:train", "base_models": ["sentence-transformers/all-MiniLM-L6-v2"]}
    card = model_card("news", {**SUMMARY, "origin": origin}, {}, {})
    data = ModelCard(card).data
    assert (data.base_model, data.datasets) == (["sentence-transformers/all-MiniLM-L6-v2"], ["conll2003"])
    assert (
        "sentences of conll2003:train and 1,500,000 words with logits of a teacher made of sentence-transformers/"
        in card
    )
    alone = model_card("news", {**SUMMARY, "origin": origin, "transfer_words": 0}, {}, {})
    assert "sentences of conll2003:train\n" in alone and "logits" not in alone


def test_a_student_of_which_nothing_is_known_has_a_card_that_its_publisher_completes(make_student, tmp_path):
    make_student().save_pretrained(tmp_path / "news", license="cc-by-4.0", language=["de", "en"])
    card = ModelCard.load(tmp_path / "news" / "README.md")
    assert (card.data.license, card.data.language) == ("cc-by-4.0", ["de", "en"])
    assert "LOC, PER" in card.text and "not measured" in card.text and "Licence: cc-by-4.0." in card.text
    student = Student.from_pretrained(tmp_path / "news")
    student.save_pretrained(tmp_path / "again")
    assert (tmp_path / "again" / "README.md").read_bytes() == (tmp_path / "news" / "README.md").read_bytes()
