from __future__ import annotations

import pytest
import torch

from kdner.device import best_dtype, dtype_name
from kdner.flags import Actors
from kdner.on_ray.cluster import in_cluster
from kdner.on_ray.pool import numeric_type, size_pool, teachers_type
from kdner.runs.run_directory import RunDirectory

pytestmark = pytest.mark.ray


def test_the_pool_is_what_the_nodes_hold_or_what_was_asked_for(cluster):
    cores = in_cluster("CPU")
    alone = size_pool(Actors(cpus=cores), 1_000, use_gpu=False)
    assert (alone.count, alone.room, alone.cpus, alone.gpus) == (1, 1, cores, 0)
    assert size_pool(Actors(), 1_000, use_gpu=False).count == cores
    assert size_pool(Actors(count=cores + 5), 1_000, use_gpu=False).count == cores + 5
    assert size_pool(Actors(), 1, use_gpu=False).count == 1
    assert size_pool(Actors(cpus=2 * cores), 1_000, use_gpu=False).room == 0
    assert size_pool(Actors(gpus=in_cluster("GPU") + 1), 1_000, use_gpu=True).room == 0


def test_the_numeric_type_is_the_one_asked_for_or_begun_with_or_the_fastest(cluster, tmp_path):
    begun = RunDirectory.open(str(tmp_path / "begun"), {"dtype": "bfloat16"}).path
    for out in (begun, str(tmp_path / "none")):
        assert numeric_type(out, "float32") == "float32"
    assert numeric_type(begun, None) == "bfloat16"
    (tmp_path / "begun" / "_manifest.json").rename(tmp_path / "begun" / "manifest.json")  # as older versions named it
    assert numeric_type(begun, None) == "bfloat16"
    assert numeric_type(str(tmp_path / "none"), None) is None
    assert teachers_type(Actors(gpus=0), use_gpu=True) == dtype_name(best_dtype(torch.device("cpu")))
    assert teachers_type(Actors(gpus=0.5), use_gpu=True) == "bfloat16"
