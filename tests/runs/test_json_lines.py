from __future__ import annotations

from kdner.runs.json_lines import append_line, read_lines


def test_lines_are_read_as_they_were_appended(tmp_path):
    path = tmp_path / "lines.jsonl"
    assert read_lines(path) == []
    records = [{"a": 1}, {"name": "caf\u00e9 \u2028 \n"}, {}]
    for record in records:
        append_line(path, record)
    assert read_lines(path) == records


def test_half_a_line_of_a_killed_process_is_passed_over_and_cut_off(tmp_path):
    path = tmp_path / "lines.jsonl"
    append_line(path, {"a": 1})
    with path.open("ab") as file:
        file.write(b'{"a": 2, "b"')
    assert read_lines(path) == [{"a": 1}]
    append_line(path, {"a": 3})
    assert read_lines(path) == [{"a": 1}, {"a": 3}]
