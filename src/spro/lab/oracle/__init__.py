"""Every credit method against the exact truth of a token MDP.

One direction, no back and forth:

    world       the token MDP: arithmetic on a register
    truth       V, Q, A, occupancy and the gradient of a tabular policy, by dynamic programming
    samples     responses drawn from it
    experience  a TokenBatch with all that a method may ask for
    drift       a reference, and a policy that leaves it by training
    sums        running sums over batches
    score       correlation, bias and noise with their errors
    config      the settings
    study       all settings, one after the other
    table       text and JSON
    panel       one score against one setting: where everything stands
    sweeps      all panels, and the looks of the methods
    figure      a panel as SVG
    images      the panels as PNG and CSV
    page        oracle.html
    command     spro oracle
"""

from spro.lab.oracle.command import oracle_command
from spro.lab.oracle.config import OracleConfig, parse_config
from spro.lab.oracle.study import Result, Row, Setting, run_study

__all__ = ["OracleConfig", "Result", "Row", "Setting", "oracle_command", "parse_config", "run_study"]
