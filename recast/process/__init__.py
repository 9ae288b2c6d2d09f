"""A process and its machine: its children, cores, memory, signals, locks of folders, and what has run out."""
