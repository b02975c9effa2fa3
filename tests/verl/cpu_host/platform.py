"""The CPU as a verl platform, and the three calls of its FSDP2 engine that only an accelerator survives."""

from contextlib import nullcontext
from types import ModuleType
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed import fsdp
from transformers import AutoModelForTokenClassification
from verl.plugin.platform import PlatformBase, PlatformRegistry


@PlatformRegistry.register(platform="cpu")
class PlatformCPU(PlatformBase):
    """One device without memory accounts. Ray counts it as a GPU, as ``_check_resource_available`` counts nothing
    else but NPUs (verl/single_controller/ray/base.py:230): start Ray with ``num_gpus=1``, a number and no device.
    """

    @property
    def device_name(self) -> str:
        return "cpu"

    @property
    def vendor_name(self) -> str:
        return "cpu"

    @property
    def device_module(self) -> ModuleType:
        return torch.cpu

    def is_available(self) -> bool:
        return True

    def current_device(self) -> str:
        # The engine hands this to tensor.to(), where 0 would mean the first accelerator.
        return "cpu"

    def device_count(self) -> int:
        return 1

    def set_device(self, device_index: int) -> None:
        pass

    def synchronize(self, device_index: int | None = None) -> None:
        pass

    def manual_seed(self, seed: int) -> None:
        torch.manual_seed(seed)

    def manual_seed_all(self, seed: int) -> None:
        torch.manual_seed(seed)

    def set_allocator_settings(self, settings: str) -> None:
        pass

    def empty_cache(self) -> None:
        pass

    def get_device_capability(self, device_index: int = 0) -> tuple[None, None]:
        return None, None

    def communication_backend_name(self) -> str:
        return "gloo"

    def visible_devices_envvar(self) -> str:
        return "CUDA_VISIBLE_DEVICES"

    def nvtx_range(self, msg: str) -> Any:
        return nullcontext()

    def profiler_start(self) -> None:
        pass

    def profiler_stop(self) -> None:
        pass

    def ray_resource_name(self) -> str:
        return "GPU"

    def ray_noset_envvars(self) -> list[str]:
        return []

    def is_ipc_supported(self) -> bool:
        return False

    def cudart(self) -> None:
        return None


def _none(*_: Any) -> int:
    return 0


# torch.cpu has no memory accounts: verl/utils/memory_utils.py:48, verl/workers/engine_workers.py:219.
for _account in ("memory_allocated", "memory_reserved", "max_memory_allocated", "max_memory_reserved", "empty_cache"):
    setattr(torch.cpu, _account, _none)

# The device's randomness is the CPU's: verl/utils/checkpoint/checkpoint_manager.py:219.
torch.cpu.set_rng_state = torch.set_rng_state


_init_process_group = dist.init_process_group


def _init_gloo(backend: str | None = None, **settings: Any) -> None:
    # verl/utils/distributed.py:89 asks for "cpu:gloo,<device>:<backend>", and torch refuses a device named twice.
    _init_process_group(backend="gloo" if backend == "cpu:gloo,cpu:gloo" else backend, **settings)


dist.init_process_group = _init_gloo


class _UnpinnedOffload(fsdp.CPUOffloadPolicy):
    # verl/workers/engine/fsdp/transformer_impl.py:462 pins the memory of a forward-only model (the reference), which
    # needs an accelerator.
    def __init__(self, pin_memory: bool = False) -> None:
        super().__init__(pin_memory=False)


fsdp.CPUOffloadPolicy = _UnpinnedOffload


_open_with_value_head = AutoModelForTokenClassification.from_pretrained


def _without_flash_attention(*place: Any, attn_implementation: str, **settings: Any) -> Any:
    # verl/utils/model.py:649 names it for the critic, whatever the config says.
    return _open_with_value_head(*place, attn_implementation="sdpa", **settings)


AutoModelForTokenClassification.from_pretrained = _without_flash_attention
