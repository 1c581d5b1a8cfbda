"""A compiler of entrywise losses for the CPU."""
