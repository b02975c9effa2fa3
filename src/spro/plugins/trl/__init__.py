"""Credit methods in TRL: ``SPROTrainer`` is TRL's ``GRPOTrainer`` with one advantage a token.

Start with ``trainer.py``. What it relies on in TRL is held by ``tests/trl/test_host.py``.
"""

from spro.errors import ConfigError
from spro.plugins.hosts import TRL
from spro.plugins.trl.filter import AccuracyFilter
from spro.window import AccuracyWindow

try:
    from spro.plugins.trl.trainer import SPROTrainer
except ModuleNotFoundError as error:
    if error.name != "trl":
        raise
    raise ConfigError(
        f"spro.plugins.trl needs trl (tested: {', '.join(TRL.tested)}), which is not installed: pip install 'spro[trl]'"
    ) from error

__all__ = ["AccuracyFilter", "AccuracyWindow", "SPROTrainer"]
