from __future__ import annotations

import pytest

from kdner.errors import InputError
from kdner.shards.tally import check_errors


def test_empty_documents_do_not_fail_a_job_but_errors_and_nothing_at_all_do():
    check_errors({"documents": 10, "errors": 6, "empty": 6}, 0.05)
    check_errors({"documents": 100, "errors": 65, "empty": 60}, 0.05)
    with pytest.raises(InputError, match=r"^1 of 10 documents .* error \(and 6 are empty\), .* 10\.0%"):
        check_errors({"documents": 10, "errors": 7, "empty": 6}, 0.05)
    with pytest.raises(InputError, match=r"^10 of 10 documents"):
        check_errors({"documents": 10, "errors": 10, "empty": 10}, 0.05)
