"""spro inside verl. To import it is to register it; verl does so in every process (entry point ``verl.plugins``).

Afterwards ``algorithm.adv_estimator=spro`` is enough in an ordinary run of verl; docs/verl.md has the settings. Start
reading with ``estimators.py``. verl swallows what a plug-in raises, so a failure is told here; ``registration.missing``
says what is not there.
"""

import logging

try:
    from spro.plugins.verl.registration import register

    register()
except Exception:
    logging.getLogger("spro").warning("spro's plug-in is not whole in this process of verl", exc_info=True)
