"""The one Accelerate loop that every method shares."""
