"""TRL's ``GRPOTrainer`` with one advantage a token.

Everything of TRL is wrapped and nothing copied: it rolls out, judges, and computes the loss; here the advantages that
stand between the two are replaced. Axis legend: N responses of all processes, B of this one, T positions, F functions.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from trl import GRPOTrainer

from spro.credit import SPRO, Credit, Method, TokenBatch
from spro.errors import ConfigError
from spro.loss import KL_ESTIMATORS
from spro.plugins.scored import assign_among
from spro.plugins.trl.filter import AccuracyFilter, check_filter, check_groups, oversampled, widen_logs
from spro.plugins.trl.limits import (
    check_dropout,
    check_filter_kind,
    check_method,
    check_rewards,
    check_settings,
    warn_of_version,
)
from spro.plugins.trl.reference import InitialPolicy

_DEFAULT_CREDIT = SPRO()
Batch = dict[str, Any]
"""What TRL makes of a step's responses; rows are responses of this process."""


class SPROTrainer(GRPOTrainer):
    """``GRPOTrainer`` whose advantages are those of a credit method of spro.

    Example:
        >>> trainer = SPROTrainer(model, math_reward, GRPOConfig("out"), dataset, credit=SPRO(beta=0.05))
        >>> trainer.train()

    Args:
        credit: any method that reads no more than the log-probs of policy and reference and the tokens.
        accuracy_filter: rolls out more prompts and trains on those of middling accuracy; none trains on all.
        args: the arguments of ``GRPOTrainer``, and ``kwargs`` too.

    Attributes:
        reference: the initial policy, where the method or a KL penalty (``beta`` of ``GRPOConfig``) reads it.

    Raises:
        ConfigError: a setting would be ignored, or the method needs what TRL cannot give; before a model is loaded
            where that can be known.
    """

    _tag_names = ("trl", "spro")
    _name = "SPRO"
    _paper = {  # noqa: RUF012 - as TRL declares it
        "title": "Self-Guided Process Reward Optimization with Redefined Step-wise Advantage for Process "
        "Reinforcement Learning",
        "id": "2507.01551",
    }

    def __init__(
        self,
        *args: Any,
        credit: Method = _DEFAULT_CREDIT,
        accuracy_filter: AccuracyFilter | None = None,
        **kwargs: Any,
    ) -> None:
        warn_of_version()
        check_method(credit)
        check_filter_kind(accuracy_filter)
        config = inspect.signature(GRPOTrainer.__init__).bind(self, *args, **kwargs).arguments.get("args")
        if config is not None:
            check_settings(config)
            if accuracy_filter is not None:
                check_groups(config)
        with _without_own_reference(config):
            super().__init__(*args, **kwargs)
        self.beta = self.args.beta
        self.credit = credit
        self.accuracy_filter = accuracy_filter
        self._rewards: Float[Tensor, "N F"] | None = None
        if self._is_vlm:
            raise ConfigError("SPROTrainer trains on text: give a tokenizer, not a processor of images")
        if "old_log_probs" in credit.needs:
            check_dropout(self.model)
        self.reference = self._hold_reference()
        if not isinstance(credit, SPRO):
            self._name, self._paper = credit.name, {}
        self.add_callback(_OrderOfEpoch(self))
        if accuracy_filter is not None:
            check_filter(self)
            widen_logs(self, accuracy_filter.oversample_factor)

    def _hold_reference(self) -> InitialPolicy | None:
        if "ref_log_probs" not in self.credit.needs and self.beta == 0.0:
            return None
        if self.is_deepspeed_enabled or self.is_fsdp_enabled:
            raise ConfigError(
                f"the credit method {self.credit.name!r} (or beta={self.beta}) reads a reference, whose copy under "
                "FSDP or DeepSpeed is not tested: train with DDP, with LoRA where memory is short, or in verl"
            )
        reference = InitialPolicy(self)
        # TRL reads it for its own KL penalty, so that both mean the same policy.
        self.ref_model = reference.model
        return reference

    def get_train_dataloader(self) -> Any:
        """TRL's, with more prompts a batch where there is a filter."""
        with oversampled(self, 1 if self.accuracy_filter is None else self.accuracy_filter.oversample_factor):
            return super().get_train_dataloader()

    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
        self.train_sampler = super()._get_train_sampler(*args, **kwargs)
        return self.train_sampler

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> Any:
        self._rewards = super()._calculate_rewards(*args, **kwargs)
        check_rewards(self._rewards, self.reward_func_names)
        return self._rewards

    def _generate_and_score_completions(self, inputs: Any) -> Batch:
        batch: Batch = super()._generate_and_score_completions(inputs)
        rewards = self._rewards
        assert rewards is not None, "TRL has not calculated rewards"
        rows = torch.arange(len(rewards), device=rewards.device)
        if self.model.training and self.accuracy_filter is not None:
            rows = self._choose(self.accuracy_filter, rewards)
            batch = self._keep(batch, rows)
        tokens, is_scored = self._token_batch(batch, rewards[rows])
        credit = assign_among(self.credit, tokens, is_scored)
        own, width = batch["completion_ids"].shape
        start = self.accelerator.process_index * own
        batch["advantages"] = credit.advantages[start : start + own, :width].contiguous()
        # All processes or none, for they count together.
        if not bool(is_scored.all()):
            self._leave_out(batch, is_scored[start : start + own])
        self._log_credit(tokens, credit, is_scored)
        self._tabulate(credit, tokens.response_mask, rows, len(rewards))
        return batch

    def _choose(self, wanted: AccuracyFilter, rewards: Float[Tensor, "N F"]) -> Int[Tensor, " K"]:
        """The rows of all processes to train on, equally many of each."""
        ranks, group_size = self.accelerator.num_processes, self.num_generations
        scores = rewards[:, wanted.column(self.reward_func_names)].view(ranks, -1)
        groups = self.args.generation_batch_size // ranks // group_size
        chosen = [wanted.choose(of_rank, groups, group_size) for of_rank in scores]
        share = sum(share for _, share in chosen) / ranks
        self._metrics["train"]["filter/in_window_fraction"].append(share)
        rows = [rank * scores.shape[1] + rows for rank, (rows, _) in enumerate(chosen)]
        return torch.cat(rows).to(rewards.device)

    def _keep(self, batch: Batch, rows: Int[Tensor, " K"]) -> Batch:
        """The chosen rows of this process."""
        count = len(batch["completion_ids"])
        start = self.accelerator.process_index * count
        own = rows[(rows >= start) & (rows < start + count)] - start
        kept = {
            name: value[own] if isinstance(value, Tensor) and value.dim() else value for name, value in batch.items()
        }
        kept["num_items_in_batch"] = self._count(kept)
        return kept

    def _leave_out(self, batch: Batch, is_scored: Bool[Tensor, " B"]) -> None:
        """Mask the unscored responses in TRL's loss: an advantage of 0 is not enough for its penalty and its bonus."""
        wrote = batch.get("tool_mask", torch.ones_like(batch["completion_mask"]))
        batch["tool_mask"] = wrote * is_scored[:, None].to(wrote.dtype)
        batch["num_items_in_batch"] = self._count(batch)

    def _count(self, batch: Batch) -> Int[Tensor, ""]:
        """The trained tokens of all processes, by which TRL divides."""
        count: Tensor = self.accelerator.gather(_trained(batch).sum()).sum()
        return count

    def _token_batch(self, batch: Batch, rewards: Float[Tensor, "N F"]) -> tuple[TokenBatch, Bool[Tensor, " N"]]:
        """The responses of all processes as a method reads them, and which of them were scored."""
        is_scored = ~rewards.isnan().all(dim=1)
        total = (rewards * self.reward_weights.to(rewards.device)).nansum(dim=1)
        group_size = self.num_generations if self.model.training else self.num_generations_eval
        tensors = {name: self._of_all(value) for name, value in self._needed(batch).items()}
        tokens = TokenBatch(
            response_mask=self._of_all(_trained(batch)).bool(),
            group_ids=torch.arange(len(total), device=total.device) // group_size,
            outcome_rewards=total.float(),
            **tensors,
        )
        return tokens, is_scored

    def _needed(self, batch: Batch) -> dict[str, Tensor]:
        """What the method reads of this process's responses."""
        needed: dict[str, Tensor] = {}
        if "old_log_probs" in self.credit.needs:
            old = batch.get("old_per_token_logps")
            needed["old_log_probs"] = (self._log_probs(self.model, batch) if old is None else old).float()
        if "ref_log_probs" in self.credit.needs:
            assert self.reference is not None
            ref = batch.get("ref_per_token_logps")
            if ref is None:
                with self.reference.ready() as model:
                    ref = self._log_probs(model, batch)
            needed["ref_log_probs"] = ref.float()
        if "token_ids" in self.credit.needs:
            needed["token_ids"] = batch["completion_ids"]
        return needed

    @torch.no_grad()
    def _log_probs(self, model: nn.Module, batch: Batch) -> Float[Tensor, "B T"]:
        """In nats, at the temperature of the rollout, by the engine that trains; as TRL reads its own."""
        is_training = self.model.training
        rows = self.args.per_device_train_batch_size if is_training else self.args.per_device_eval_batch_size
        log_probs: Tensor = self._get_per_token_logps_and_entropies(
            model=model,
            input_ids=torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1),
            attention_mask=torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1),
            logits_to_keep=batch["completion_ids"].size(1),
            batch_size=rows,
        )[0]
        return log_probs

    def _of_all(self, own: Tensor) -> Tensor:
        """[B, T] of this process to [N, T] of all, in their order, under the width of the longest."""
        gathered: Tensor = self.accelerator.gather(self.accelerator.pad_across_processes(own.contiguous(), dim=1))
        return gathered

    def _log_credit(self, tokens: TokenBatch, credit: Credit, is_scored: Bool[Tensor, " N"]) -> None:
        """Under the names of spro's own trainer, of all processes; TRL logs ``kl`` itself where it penalises it."""
        metrics = self._metrics["train" if self.model.training else "eval"]
        metrics["verify/unscored_fraction"].append(float((~is_scored).float().mean()))
        mask = tokens.response_mask & is_scored[:, None]
        if not bool(mask.any()):
            return
        for name, value in credit.spread(mask).items():
            metrics[name].append(float(value))
        if tokens.old_log_probs is not None and tokens.ref_log_probs is not None and self.beta == 0.0:
            log_ratio = tokens.old_log_probs - tokens.ref_log_probs
            metrics["kl"].append(float(KL_ESTIMATORS["k3"](log_ratio)[mask].mean()))

    def _tabulate(self, credit: Credit, mask: Bool[Tensor, "K T"], rows: Int[Tensor, " K"], count: int) -> None:
        """The mean advantage of each response in TRL's table of completions, in place of TRL's; 0 if not trained on."""
        means = credit.advantages.new_zeros(count)
        means[rows] = (credit.advantages * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        logged = self._logs["advantages"]
        for _ in range(min(count, len(logged))):
            logged.pop()
        logged.extend(means.tolist())

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        if self.reference is not None and self.args.should_save:
            folder = Path(self._get_output_dir(trial=trial)) / f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"
            # First, so that no checkpoint is ever whole without it.
            self.reference.save(str(folder))
        super()._save_checkpoint(model, trial)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.reference is not None:
            self.reference.check(resume_from_checkpoint)
        super()._load_from_checkpoint(resume_from_checkpoint, model)


class _OrderOfEpoch(TrainerCallback):
    """Lets a resumed run go on in the order of its epoch.

    TRL's sampler draws one order after the other from a generator that starts anew with the process.
    """

    def __init__(self, trainer: SPROTrainer) -> None:
        self._trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Draw the orders of the epochs that are over."""
        sampler = getattr(self._trainer, "train_sampler", ())
        for _ in range(int(state.epoch or 0)):
            next(iter(sampler), None)


def _trained(batch: Batch) -> Int[Tensor, "B T"]:
    """1 on the tokens that TRL's loss reads: a tool's are not among them, nor an unscored response's once left out."""
    mask: Tensor = batch["completion_mask"] * batch.get("tool_mask", 1)
    return mask


@contextmanager
def _without_own_reference(config: Any) -> Iterator[None]:
    """Inside the block TRL is not asked for a KL penalty, so that it loads no reference.

    Its reference is what the path in the model's config holds, which need not be what is trained.
    """
    beta = getattr(config, "beta", 0.0)
    if config is not None:
        config.beta = 0.0
    try:
        yield
    finally:
        if config is not None:
            config.beta = beta
