"""spro inside other trainers. They share its maths (``credit``, ``loss``) and verifiers, and nothing of its trainer.

``spro.plugins.trl`` is a trainer for TRL, ``spro.plugins.verl`` registers itself in verl; neither is imported here.
"""
