from __future__ import annotations

import pytest

from kdner.distillation.learning_sets import read_sets
from kdner.errors import InputError
from kdner.flags import LabeledSet


def test_logits_of_another_language_than_the_students_are_refused(train_file, logits_folder):
    flags = {"logits": [logits_folder], "logits_weights": (), "development": None, "development_share": 0.0}
    assert read_sets(LabeledSet(labeled=train_file), **flags).language == "en"
    with pytest.raises(InputError, match=r"--language de: .* split as en\. Give --language en, or score"):
        read_sets(LabeledSet(labeled=train_file, language="de"), **flags)
