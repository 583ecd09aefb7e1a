"""Several processes: starting the ones that were asked for, and what the launcher asked for."""
