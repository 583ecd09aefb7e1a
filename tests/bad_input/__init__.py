"""Bad input, a command each in a fork: one clear line, exit status 2, nothing left behind."""
