"""How long the work takes, always beside something else that was timed in the same run on the same machine."""
