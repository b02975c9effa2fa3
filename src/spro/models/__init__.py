"""Loading models, the frozen reference, and the log-probs of responses."""

from spro.models.checkpointing import checkpointed
from spro.models.export import exported_weights, restore_model, save_merged, save_model
from spro.models.loading import Policy, load_policy
from spro.models.lora import add_adapters, has_adapters, without_adapters
from spro.models.packing import pack
from spro.models.reference import MovingCopy, Reference, hold_reference
from spro.models.scoring import TokenScores, response_log_probs, response_states, score_responses
from spro.models.sequences import Sequences, to_rectangle
from spro.models.twin import frozen_copy, trainable, twin

__all__ = [
    "MovingCopy",
    "Policy",
    "Reference",
    "Sequences",
    "TokenScores",
    "add_adapters",
    "checkpointed",
    "exported_weights",
    "frozen_copy",
    "has_adapters",
    "hold_reference",
    "load_policy",
    "pack",
    "response_log_probs",
    "response_states",
    "restore_model",
    "save_merged",
    "save_model",
    "score_responses",
    "to_rectangle",
    "trainable",
    "twin",
    "without_adapters",
]
