"""spro inside verl. To import it is to register it; verl does so in every process (entry point ``verl.plugins``).

Afterwards ``algorithm.adv_estimator=spro`` is enough in an ordinary run of verl; docs/verl.md has the settings. Start
reading with ``estimators.py``. verl swallows what a plug-in raises, so a failure is told here, and ``missing`` says
later what is not there.
"""

import logging

from spro.plugins.verl.registration import missing, register

try:
    register()
except Exception as error:
    logging.getLogger("spro").warning("spro's plug-in is not loaded in this process of verl: %s", error)

__all__ = ["missing", "register"]
