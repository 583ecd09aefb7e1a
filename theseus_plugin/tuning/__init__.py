"""Search over a method's options on a task."""
