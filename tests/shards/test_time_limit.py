from __future__ import annotations

import subprocess
import sys

from kdner.shards.time_limit import AT_LEAST_S, FIRST_S, TIMES_USUAL, TimeLimit


def test_the_limit_goes_by_the_slowest_rate_so_far():
    limit = TimeLimit()
    assert limit.of(10) == FIRST_S
    limit.learn(2.0)
    limit.learn(1.0)
    assert limit.of(1000) == TIMES_USUAL * 2.0 * 1000 and limit.of(1) == AT_LEAST_S
    with limit.over(1):
        pass
    assert limit.seconds_per_byte == 2.0
    assert TimeLimit(5).of(10**9) == 5


def test_a_process_that_takes_longer_ends_and_says_where_it_was_even_if_python_never_runs():
    script = (
        "import time, re\n"
        "from kdner.shards.time_limit import TimeLimit\n"
        "limit = TimeLimit(1)\n"
        "with limit.over(1):\n"
        "    with limit.over(1): pass\n"
        "def hang(): re.match('(a|a)*b', 'a' * 60)\n"
        "with limit.over(1): hang()\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1 and "in hang" in ran.stderr


def test_one_that_ends_in_time_lives_on():
    script = (
        "import time\n"
        "from kdner.shards.time_limit import TimeLimit\n"
        "limit = TimeLimit(1)\n"
        "with limit.over(1): pass\n"
        "time.sleep(1.5)\n"
        "print('alive')\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert ran.stdout == "alive\n"
