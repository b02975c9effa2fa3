"""Warm starts, and later the oracle, comparisons and studies."""
