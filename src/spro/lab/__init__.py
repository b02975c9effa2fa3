"""Warm starts, the oracle, comparisons and the microscope."""
