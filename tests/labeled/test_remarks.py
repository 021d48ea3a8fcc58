from __future__ import annotations

import json
import logging

from kdner.labeled.remarks import Remarks
from kdner.runs.run_directory import RunDirectory


def test_all_are_counted_and_listed_and_the_first_are_logged(tmp_path, caplog):
    remarks = Remarks()
    for line in range(1, 6):
        remarks.add("empty tokens, passed over", f"set:{line}", times=2)
    remarks.add("comment lines, passed over", "set:9", "# x", usual=True)
    assert remarks.counts == {"comment lines, passed over": 1, "empty tokens, passed over": 10}
    with caplog.at_level(logging.INFO, "kdner"):
        remarks.log("set")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "set: 1 comment lines, passed over: set:9 # x"),
        ("WARNING", "set: 10 empty tokens, passed over: set:1; set:2; set:3; ..."),
    ]
    directory = RunDirectory.open(str(tmp_path / "run"), {})
    remarks.write(directory)
    listed = [json.loads(line) for line in (tmp_path / "run" / "_remarks.jsonl").read_text("utf-8").splitlines()]
    assert len(listed) == 6 and listed[-1] == {
        "what": "comment lines, passed over", "where": "set:9", "detail": "# x", "times": 1,
    }  # fmt: skip


def test_nothing_odd_leaves_no_file(tmp_path):
    Remarks().write(RunDirectory.open(str(tmp_path), {}))
    assert not (tmp_path / "_remarks.jsonl").exists()
