"""A process and the machine that it runs on: its children, cores, memory, signals, and what has run out."""
