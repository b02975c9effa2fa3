"""A rollout replica that samples with plain transformers, token by token, from the weights that verl sent last."""

import zlib
from collections.abc import Iterable
from typing import Any

import ray
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from verl.workers.rollout.base import BaseRollout
from verl.workers.rollout.replica import RolloutReplica, TokenOutput


def server_name(replica_rank: int) -> str:
    return f"transformers_server_{replica_rank}_0"


@ray.remote(num_cpus=0)
class Server:
    """One model, one request at a time. It starts with random weights: only verl's weights can make it right."""

    def __init__(self, model_path: str, response_length: int) -> None:
        torch.set_num_threads(1)
        config = AutoConfig.from_pretrained(model_path)
        self.model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
        self.response_length = response_length
        self.version = -1
        self.requests = 0

    def load(self, weights: dict[str, torch.Tensor], version: int) -> None:
        self.model.load_state_dict(weights, strict=True)
        self.version = version

    def generate(
        self, request_id: str, prompt_ids: list[int], sampling_params: dict[str, Any], **_: Any
    ) -> TokenOutput:
        """Sample one response; see ``sampled_response``. Without a session it depends on who came first."""
        assert (sampling_params["top_p"], sampling_params["top_k"]) == (1, -1), sampling_params
        self.requests += 1
        session = sampling_params.get("session", self.requests)
        response, log_probs = sampled_response(
            self.model, list(prompt_ids), self.response_length, sampling_params["temperature"], self.version, session
        )
        stop = "completed" if response[-1] == self.model.config.eos_token_id else "length"
        extra = {"global_steps": self.version}
        return TokenOutput(token_ids=response, log_probs=log_probs, stop_reason=stop, extra_fields=extra)

    def idle(self, *_: Any, **__: Any) -> None:
        """Nothing to free, nothing to profile."""

    sleep = wake_up = abort_all_requests = resume_generation = start_profile = stop_profile = idle
    clear_kv_cache = release_kv_cache = resume_kv_cache = idle


def sampled_response(
    model: PreTrainedModel, prompt: list[int], length: int, temperature: float, version: int, session: int
) -> tuple[list[int], list[float]]:
    """Tokens and their log-probs. All randomness comes from prompt, version of the weights, and session."""
    chance = torch.Generator().manual_seed(zlib.crc32(repr((version, prompt, session)).encode()))
    response, log_probs = [], []
    with torch.inference_mode():
        while len(response) < length and model.config.eos_token_id not in response:
            logits = model(torch.tensor([prompt + response])).logits[0, -1]
            scaled = (logits / temperature if temperature else logits).log_softmax(-1)
            token = int(torch.multinomial(scaled.exp(), 1, generator=chance) if temperature else scaled.argmax())
            response.append(token)
            log_probs.append(float(scaled[token]))
    return response, log_probs


class TransformersReplica(RolloutReplica):
    async def launch_servers(self) -> None:
        server = Server.options(name=server_name(self.replica_rank))
        self._server_handle = server.remote(self.model_config.path, self.config.response_length)
        self._server_address = server_name(self.replica_rank)
        self.servers = [self._server_handle]


class WeightSender(BaseRollout):
    """The half of the rollout inside the actor's worker: takes its weights to the server, as verl's adapters do."""

    async def update_weights(
        self, weights: Iterable[tuple[str, torch.Tensor]], global_steps: int | None = None, **_: Any
    ) -> None:
        # Every rank walks through the weights, as each is gathered from all ranks on its way.
        taken = {name: tensor.detach().cpu().clone() for name, tensor in weights}
        server = ray.get_actor(server_name(torch.distributed.get_rank()))
        await server.load.remote(taken, global_steps)

    async def resume(self, tags: list[str]) -> None:
        pass

    async def release(self) -> None:
        pass
