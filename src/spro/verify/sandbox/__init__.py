"""Running programs that nobody has read: ``choose_sandbox().run(Job(source, inputs))``."""

from spro.verify.sandbox.cage import Level
from spro.verify.sandbox.job import Job, Limits, RunStatus, TestRun, Value
from spro.verify.sandbox.ladder import UNSAFE_FLAG, choose_sandbox
from spro.verify.sandbox.report import SandboxReport, examine_sandbox
from spro.verify.sandbox.sandbox import Sandbox
from spro.verify.sandbox.values import Opaque

__all__ = [
    "UNSAFE_FLAG",
    "Job",
    "Level",
    "Limits",
    "Opaque",
    "RunStatus",
    "Sandbox",
    "SandboxReport",
    "TestRun",
    "Value",
    "choose_sandbox",
    "examine_sandbox",
]
