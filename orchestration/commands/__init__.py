"""The commands of `everypupil`, a module per group; whatever is heavy is imported inside the command that needs it."""
