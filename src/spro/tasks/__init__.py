"""What is asked: data set adapters, prompt templates, and the built-in lab task."""

from spro.tasks.load import load_task
from spro.tasks.problem import LoadReport, Message, Problem, TaskData, Tool
from spro.tasks.prompts import Prompt, encode_prompts
from spro.tasks.rows import to_text

__all__ = ["LoadReport", "Message", "Problem", "Prompt", "TaskData", "Tool", "encode_prompts", "load_task", "to_text"]
