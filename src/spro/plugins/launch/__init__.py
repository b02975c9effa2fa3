"""From a config of ours to a run of a larger host. Nothing here imports the host; docs/launch.md has every key."""

from spro.plugins.launch.command import launch_command
from spro.plugins.launch.data import to_row, write_data
from spro.plugins.launch.translation import Translation, translate

__all__ = ["Translation", "launch_command", "to_row", "translate", "write_data"]
