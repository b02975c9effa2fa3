"""What verl is told and still does in another way; docs/launch.md says more of each."""

from collections.abc import Iterator

from spro.config import Config, DynamicFilter
from spro.plugins.launch.data import has_held_out


def differences(config: Config, has_critic: bool) -> Iterator[str]:
    """A line for each setting that is translated and still not done as here: ``key=value: how``."""
    train, loss, optimizer = config.train, config.loss, config.optimizer
    per_step = train.update_epochs * train.mini_batches
    if config.rollout.engine == "local":
        yield "rollout.engine=local: verl samples with vLLM"
    if loss.entropy_coef > 0 and loss.loss_reduction != "token-mean":
        yield (
            f"loss.entropy_coef={loss.entropy_coef:g}: verl reduces the entropy by {loss.loss_reduction}, as the loss; "
            "spro takes its mean over tokens"
        )
    if isinstance(config.filter, DynamicFilter):
        yield "filter.type=dynamic: verl goes on until the batch is full, also where hardly a group is unequal"
    if train.mini_batches > 1:
        yield f"train.mini_batches={train.mini_batches}: verl may part the responses to a prompt"
    if optimizer.decay == "cosine" and per_step > 1:
        yield f"optimizer.decay=cosine: verl's rate falls once a training step, not at each of its {per_step} updates"
    if optimizer.warmup_steps:
        yield f"optimizer.warmup_steps={optimizer.warmup_steps}: verl's first step has the rate 0, which moves nothing"
    if has_critic:
        yield "critic: verl's begins with random values, spro's with 0"
        if config.critic.head_start and optimizer.decay == "cosine":
            yield (
                f"critic.head_start={config.critic.head_start}: verl's cosine begins behind it and has not reached 0 "
                "at the end"
            )
    if has_held_out(config) and config.evaluate.every:
        yield "evaluate: verl takes one sampled answer to each held-out problem, no greedy one"
