"""Methods beside one another: the same data, several seeds, and what differs beyond chance.

One direction, no back and forth:

    config       the settings
    problems     which held-out ones all are measured on
    plan         the settings of every run, checked
    folder       where things lie, and who may write
    processes    children that end with their parent
    measurement  what the program that measures is told
    final        that program: a policy on the held-out problems
    summary      what is kept of a run
    schedule     train, measure, summarize, run by run
    records      a comparison as its folder tells it
    table        numbers with intervals under columns
    scores       final scores on the same problems, and tests of them
    reach        what a target accuracy costs
    results      all tables
    figures      all curves
    forest       the final result as a figure
    words        all sentences
    rebuild      tables, figures and page from the summaries alone, without torch
    command      spro compare
"""

from spro.lab.compare.command import compare_command
from spro.lab.compare.rebuild import rebuild_comparison

__all__ = ["compare_command", "rebuild_comparison"]
