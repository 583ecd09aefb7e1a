"""Discovery: what is registered through entry points, what its options are, what a broken plugin is told."""
