"""The commands of `recast`, one a module: its arguments, and what it does."""
