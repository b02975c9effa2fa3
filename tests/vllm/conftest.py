"""A tiny model, vLLM started from its folder, and the trainer's own word for the log-probs. No network."""

import os
import random

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# What vLLM compiles for a rank that nobody reads takes longer than these tests.
os.environ["TORCHDYNAMO_DISABLE"] = "1"

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from tests.models import byte_level_tokenizer
from torch import Tensor
from transformers import (
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from spro.config.rollout import RolloutConfig, VllmConfig
from spro.models import Sequences, exported_weights, response_log_probs
from spro.rollout import Response
from spro.rollout.vllm import VllmEngine

torch.set_num_threads(1)

STOP = 0
VOCABULARY = 320
ROLLOUT = RolloutConfig(max_prompt_length=256, max_response_length=64, max_rows=64)
SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 512,
    "eos_token_id": STOP,
    "pad_token_id": STOP,
    "bos_token_id": None,
}
MODELS = {
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**SHAPE, tie_word_embeddings=True)),
    "llama": (LlamaForCausalLM, LlamaConfig(**SHAPE, tie_word_embeddings=False)),
}


@dataclass
class World:
    """The policy and its engine.

    Attributes:
        model: the policy.
        engine: started from its folder.
        initial: the policy's weights at the start of each test.
        process_is_as_before: whether the start of vLLM left generators and threads of the process as they were.
    """

    model: PreTrainedModel
    engine: VllmEngine
    initial: dict[str, Tensor]
    process_is_as_before: bool

    def move(self, seed: int = 1, size: float = 0.05) -> None:
        """An update of every weight, large enough to be seen in every log-prob."""
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter += size * torch.randn(parameter.shape, generator=generator).to(parameter.dtype)

    def differences(
        self, prompts: Sequence[Sequence[int]], groups: Sequence[Sequence[Response]], temperature: float = 1.0
    ) -> Tensor:
        """Of each sampled token |rollout log-prob - trainer's|."""
        sequences = sequences_of(prompts, groups)
        log_probs = response_log_probs(self.model, sequences, temperature, 4096)
        sampled = [log_prob for group in groups for one in group for log_prob in one.rollout_log_probs]
        return (torch.tensor(sampled) - log_probs[sequences.response_mask(self.model.device)]).abs()


def sequences_of(prompts: Sequence[Sequence[int]], groups: Sequence[Sequence[Response]]) -> Sequences:
    rows = [(tuple(prompt), one.token_ids) for prompt, group in zip(prompts, groups, strict=True) for one in group]
    return Sequences(tuple(prompt for prompt, _ in rows), tuple(response for _, response in rows), STOP)


def make_model(family: str) -> PreTrainedModel:
    """With weights large enough that its distributions are far from uniform."""
    model_type, config = MODELS[family]
    torch.manual_seed(0)
    model = model_type(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name:
                parameter.normal_(0, 0.2)
    return model


def save(folder: Path, model: PreTrainedModel) -> None:
    """As models are shipped: with sampling settings of their own."""
    model.generation_config = GenerationConfig(
        do_sample=True, top_k=1, top_p=0.5, temperature=0.3, repetition_penalty=1.5, eos_token_id=[STOP, 7]
    )
    model.save_pretrained(folder)
    byte_level_tokenizer().save_pretrained(folder)


def process_state() -> tuple[object, ...]:
    """Generators and threads."""
    return random.getstate(), torch.get_rng_state().tolist(), torch.get_num_threads(), torch.set_num_threads


@pytest.fixture(scope="session", params=["qwen2 float32", "llama float32"])
def started(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    family, dtype = request.param.split()
    folder = tmp_path_factory.mktemp("model")
    model = make_model(family).to(getattr(torch, dtype))
    save(folder, model)
    before = process_state()
    engine = VllmEngine(
        str(folder),
        lambda: exported_weights(model),
        (STOP,),
        model.dtype,
        ROLLOUT,
        VllmConfig(cpu_kv_cache_gib=0.25),
    )
    initial = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    yield World(model, engine, initial, before == process_state())
    engine.close()


@pytest.fixture
def world(started: World) -> World:
    """With the initial weights, as version 1."""
    with torch.no_grad():
        for name, parameter in started.model.named_parameters():
            parameter.copy_(started.initial[name])
    started.engine.check = lambda: None
    started.engine.push(1)
    return started
