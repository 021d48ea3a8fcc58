from __future__ import annotations

import pytest
from files import put_lines

from kdner.corpora.corpus_listing import list_corpus
from kdner.corpora.plan import plan_listing
from kdner.errors import InputError
from kdner.on_ray import map_files
from kdner.on_ray.map_files import map_files_of

pytestmark = pytest.mark.ray


def test_tasks_make_the_plan_that_the_driver_makes_and_tell_what_is_wrong(cluster, tmp_path, monkeypatch):
    for k in range(9):
        put_lines(tmp_path / f"{k}.jsonl", [f'{{"text": "{"word " * (k * n)}"}}' for n in range(30)])
    listing = list_corpus([str(tmp_path)], shard_documents=20)
    assert map_files_of(listing) is map
    monkeypatch.setattr(map_files, "FILES_IN_A_TASK", 2)
    assert plan_listing(listing, map_files_of(listing)) == plan_listing(listing)
    (tmp_path / "5.jsonl").write_text("no JSON\n")
    with pytest.raises(InputError, match=r"5\.jsonl: no JSON object in the first lines"):
        plan_listing(list_corpus([str(tmp_path)]), map_files_of(listing))
