"""Plugins of a third party, each of which goes through doors that the methods of this package leave shut."""
