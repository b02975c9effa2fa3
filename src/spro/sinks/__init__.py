"""Where the numbers of a run are shown beside its folder: TensorBoard, Weights & Biases, trackio.

Nothing is imported, written or sent that ``log.sinks`` does not name.
"""

from spro.sinks.names import renamed
from spro.sinks.sink import Label, Sink
from spro.sinks.sinks import Sinks, build_sinks

__all__ = ["Label", "Sink", "Sinks", "build_sinks", "renamed"]
