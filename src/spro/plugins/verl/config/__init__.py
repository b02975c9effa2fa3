"""Settings for verl, found by ``--config-path=pkg://spro.plugins.verl.config``."""
