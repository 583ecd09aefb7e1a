"""Whether an output can be written: its place, other processes, the disk."""
