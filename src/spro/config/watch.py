"""What is done when a run destroys its own policy."""

from typing import Annotated, Literal

from pydantic import Field

from spro.config.section import Section


class WatchConfig(Section):
    """How a collapse is met. What is tracked, and what each sign means: docs/collapse.md."""

    on_collapse: Literal["warn", "stop"] = "warn"
    """``stop`` ends the run at the step at which a collapse is recognised. The last good checkpoint is kept by both."""
    fall: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of its best that accuracy, or the mean score, has to lose before it is called a collapse."""
