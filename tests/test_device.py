from __future__ import annotations

import pytest
import torch

from kdner.device import best_device, best_dtype, one_thread


def test_the_device_and_its_type_can_compute():
    device = best_device()
    matrix = torch.eye(4, device=device, dtype=best_dtype(device))
    assert (matrix @ matrix).float().sum().item() == 4


def test_a_gpu_is_used_where_there_is_one():
    assert (best_device().type == "cuda") == torch.cuda.is_available()


@pytest.mark.parametrize(("flag", "dtype"), [("amx_bf16", torch.bfloat16), ("avx2", torch.float32)])
def test_bfloat16_on_a_cpu_only_where_it_is_native(monkeypatch, flag, dtype):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {flag: True}, raising=False)
    assert best_dtype(torch.device("cpu")) is dtype


@pytest.mark.parametrize(("native", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_an_older_torch_tells_bfloat16_in_its_own_way(monkeypatch, native, dtype):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    assert best_dtype(torch.device("cpu")) is dtype


def test_one_thread_within_and_as_many_as_before_after():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyboardInterrupt), one_thread():
            assert torch.get_num_threads() == 1
            raise KeyboardInterrupt
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
