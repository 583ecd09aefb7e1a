"""What people would do instead of replacing: fine-tune the shallower model alone, or distil the predecessor into it."""
