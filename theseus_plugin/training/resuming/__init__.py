"""What an interrupted run needs to go on: checkpoints, the state in them, what they are held against."""
