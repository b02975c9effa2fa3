"""The credit microscope: the same responses scored by several methods, every token beside its truth.

One direction, no back and forth:

    config        the settings, and the words that they come from
    subject       the policy, its reference and the models beside it
    choice        which methods can be made, and why not the others
    rollouts      responses, graded and prepared, with their truths
    chain_truth   where a response to chain arithmetic goes wrong
    truth         that, and Monte-Carlo advantages with their errors
    scoring       what each method says
    measure       correlations and agreements with intervals
    disagreement  what a reader should see first
    record        the files
    table         the measures as text
    command       spro microscope
"""

from spro.lab.microscope.command import microscope_command

__all__ = ["microscope_command"]
