"""Checks of the result against the merged source."""
