"""Batches under kills, outages and faults, compared with one that nobody disturbed: `make chaos`."""
