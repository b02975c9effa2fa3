"""Programs: the last fence of a response, run on the tests of its problem, compared outside the sandbox.

Start with ``verifier.py``.
"""
