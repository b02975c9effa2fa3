"""Credit methods by name; to add one, write its file and name its class here."""

from spro.credit.methods.grpo import GRPO
from spro.credit.methods.method import Credit, Method
from spro.credit.methods.rloo import RLOO
from spro.credit.methods.spro import SPRO

METHODS: dict[str, type[Method]] = {method.name: method for method in (SPRO, GRPO, RLOO)}

__all__ = ["GRPO", "METHODS", "RLOO", "SPRO", "Credit", "Method"]
