"""The random generators of this process, which a checkpoint keeps for what a user's own code may draw."""

import random
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor


def seed_generators(seed: int) -> None:
    """Start every generator of this process, so that whoever draws from one draws the same in the next run."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def random_state() -> dict[str, Tensor]:
    """Of every generator of this process. The trainer draws from none of them: each step has seeds of its own."""
    version, internal, gauss = random.getstate()
    _, keys, *rest = np.random.get_state(legacy=True)
    states = {
        "torch": torch.get_rng_state(),
        "python": torch.tensor([version, *internal], dtype=torch.int64),
        "numpy": torch.from_numpy(np.asarray(keys, dtype=np.int64)),
        "numpy_rest": torch.tensor(rest, dtype=torch.float64),
        "python_gauss": torch.tensor([float("nan") if gauss is None else gauss], dtype=torch.float64),
    }
    # Not asked for where nothing runs on one: the question alone would take its memory.
    on_gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    return states | {f"cuda/{i}": state for i, state in enumerate(on_gpus)}


def restore_random_state(states: Mapping[str, Tensor]) -> None:
    """The inverse of ``random_state``, for the devices that are here."""
    torch.set_rng_state(states["torch"])
    version, *internal = states["python"].tolist()
    gauss = float(states["python_gauss"])
    random.setstate((version, tuple(internal), None if gauss != gauss else gauss))
    place, has_gauss, cached = states["numpy_rest"].tolist()
    np.random.set_state(("MT19937", states["numpy"].numpy().astype(np.uint32), int(place), int(has_gauss), cached))
    for name in states:
        device, _, number = name.partition("/")
        if device == "cuda" and int(number) < torch.cuda.device_count():
            torch.cuda.set_rng_state(states[name], int(number))
