"""What a model can do: suites, numbers with intervals, comparisons of two models on the same problems."""

from spro.evaluate.command import evaluate_command, export_command, show_command
from spro.evaluate.problems import ProblemResult, evaluate_prompts
from spro.evaluate.result import is_evaluation

__all__ = [
    "ProblemResult",
    "evaluate_command",
    "evaluate_prompts",
    "export_command",
    "is_evaluation",
    "show_command",
]
