"""Process-reward reinforcement learning for language models without a process reward model."""

__version__ = "0.1.0"
