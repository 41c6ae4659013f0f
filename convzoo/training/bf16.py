"""Whether bf16 is faster than float32 on a device."""

import time

import torch


def fast_at_bf16(device: torch.device) -> bool:
    """Whether bf16 is faster than float32: yes with tensor cores or AMX; other processors that have bf16 are measured."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or torch.cpu._is_amx_tile_supported() or not torch.cpu._is_avx512_bf16_supported():
        return device.type == "cpu" and torch.cpu._is_amx_tile_supported()
    # AVX-512 processors report bf16 but may be slower with it, so a convolution is timed in both types. Processor time is
    # compared, so that other work on the machine does not change the choice.
    images, kernels = torch.ones(8, 32, 24, 24), torch.ones(64, 32, 3, 3)
    times: dict[torch.dtype, float] = {}
    for _ in range(8):
        for kind in (torch.float32, torch.bfloat16):
            x, w = (value.to(kind, memory_format=torch.channels_last) for value in (images, kernels))
            began = time.process_time()
            torch.conv2d(x, w)
            times[kind] = min(times.get(kind, 1.0), time.process_time() - began)
    return times[torch.bfloat16] < 0.75 * times[torch.float32]
