"""Tiny random models of many architectures, each with what sets its log-probs apart."""

from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM, PreTrainedModel

VOCABULARY = 61
SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": 0,
}
OF_GPT2 = {
    "n_embd": 16,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 64,
    "vocab_size": VOCABULARY,
    "bos_token_id": None,
    "eos_token_id": 0,
}
SLIDING = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 3}
# The grouped product that transformers takes by itself knows no float64.
EAGER = {"experts_implementation": "eager"}
EXPERTS = EAGER | {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 8}
OF_DEEPSEEK = {
    "num_key_value_heads": 4,
    "q_lora_rank": 8,
    "kv_lora_rank": 8,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 4,
    "v_head_dim": 4,
    "n_routed_experts": 4,
    "n_group": 1,
    "topk_group": 1,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 8,
    "first_k_dense_replace": 1,
}

ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen2": ("Qwen2", SHAPE),
    "qwen2 tied": ("Qwen2", SHAPE | {"tie_word_embeddings": True}),
    "qwen3": ("Qwen3", SHAPE | {"head_dim": 4}),
    "llama": ("Llama", SHAPE),
    "mistral, window 3": ("Mistral", SHAPE | {"sliding_window": 3}),
    "gemma": ("Gemma", SHAPE | {"head_dim": 4}),
    "gemma2, capped": ("Gemma2", SHAPE | SLIDING | {"head_dim": 4, "final_logit_softcapping": 2.0}),
    "gemma3": ("Gemma3Text", SHAPE | SLIDING | {"head_dim": 4}),
    "gemma3, capped": ("Gemma3Text", SHAPE | SLIDING | {"head_dim": 4, "final_logit_softcapping": 2.0}),
    "gpt2, tied": ("GPT2", OF_GPT2),
    "gpt-j, bias": ("GPTJ", OF_GPT2 | {"rotary_dim": 2}),
    "gpt neox": ("GPTNeoX", SHAPE),
    "phi, bias": ("Phi", SHAPE | {"partial_rotary_factor": 0.5}),
    "phi3": ("Phi3", SHAPE),
    "olmo2": ("Olmo2", SHAPE),
    "granite, scaled": ("Granite", SHAPE | {"logits_scaling": 8.0}),
    "hyperclova x, scaled": ("HyperCLOVAX", SHAPE | {"logits_scaling": 0.5}),
    "cohere, scaled": ("Cohere", SHAPE | {"logit_scale": 0.25}),
    "cohere2, scaled": ("Cohere2", SHAPE | SLIDING | {"logit_scale": 0.25}),
    "stablelm": ("StableLm", SHAPE),
    "starcoder2": ("Starcoder2", SHAPE),
    "smollm3": ("SmolLM3", SHAPE),
    "glm4": ("Glm4", SHAPE | {"head_dim": 4}),
    "opt": ("OPT", SHAPE | {"ffn_dim": 24, "word_embed_proj_dim": 8}),
    "nanochat, capped": ("NanoChat", SHAPE | {"final_logit_softcapping": 2.0}),
    "qwen2 of experts": ("Qwen2Moe", SHAPE | EXPERTS | {"shared_expert_intermediate_size": 8}),
    "qwen3 of experts": ("Qwen3Moe", SHAPE | EXPERTS | {"head_dim": 4}),
    "mixtral": ("Mixtral", SHAPE | {"num_local_experts": 4} | EAGER),
    "gpt-oss": (
        "GptOss",
        SHAPE
        | SLIDING
        | {"head_dim": 4, "num_local_experts": 4, "rope_parameters": {"rope_type": "default", "rope_theta": 1e4}}
        | EAGER,
    ),
    "deepseek3": ("DeepseekV3", SHAPE | EAGER | OF_DEEPSEEK),
}
"""Name -> what transformers calls its config, and its settings."""


def make(name: str) -> PreTrainedModel:
    """In float64 so that two ways to one number differ by rounding no test could hide behind."""
    kind, settings = ARCHITECTURES[name]
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**settings)
    model = AutoModelForCausalLM.from_config(config).double().eval()
    # Made as random as a trained model: as they come, states are of one size and biases 0.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model
