from __future__ import annotations

import pytest
import torch

from kdner.device import best_device, best_dtype


def test_the_device_and_its_type_can_compute():
    device = best_device()
    matrix = torch.eye(4, device=device, dtype=best_dtype(device))
    assert (matrix @ matrix).float().sum().item() == 4


def test_a_gpu_is_used_where_there_is_one():
    assert (best_device().type == "cuda") == torch.cuda.is_available()


@pytest.mark.parametrize(("flag", "dtype"), [("amx_bf16", torch.bfloat16), ("avx2", torch.float32)])
def test_bfloat16_on_a_cpu_only_where_it_is_native(monkeypatch, flag, dtype):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {flag: True})
    assert best_dtype(torch.device("cpu")) is dtype
