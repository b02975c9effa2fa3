"""What a model can do: suites, numbers with intervals, comparisons of two models on the same problems."""

from spro.evaluate.command import evaluate_command
from spro.evaluate.problems import ProblemResult, evaluate_prompts, problem_result

__all__ = ["ProblemResult", "evaluate_command", "evaluate_prompts", "problem_result"]
