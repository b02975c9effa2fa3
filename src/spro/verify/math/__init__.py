"""Mathematical answers: extraction, what strings tell, and computer algebra in worker processes.

Start with ``verifier.py``; ``guard.py`` names the tricks that are refused.
"""
