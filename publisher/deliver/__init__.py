"""Frozen texts to outcomes: every reader has one row, and every row ends in an outcome."""
