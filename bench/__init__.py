"""Measurements against the numbers that the product must reach: `make bench`."""
