"""What is asked: data set adapters, prompt templates, the built-in lab tasks, and suites to measure a model on."""

from spro.tasks.load import load_task
from spro.tasks.problem import LoadReport, Message, Problem, TaskData, Tool
from spro.tasks.prompts import Prompt, encode_prompts
from spro.tasks.rows import ProblemWith, to_text
from spro.tasks.suites import SUITES, Suite, load_suite

__all__ = [
    "SUITES",
    "LoadReport",
    "Message",
    "Problem",
    "ProblemWith",
    "Prompt",
    "Suite",
    "TaskData",
    "Tool",
    "encode_prompts",
    "load_suite",
    "load_task",
    "to_text",
]
