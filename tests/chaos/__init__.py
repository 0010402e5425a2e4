"""Batches under kills, outages, faults and rivals, compared with one that nobody disturbed: `make chaos`."""
