"""The GPU side: one pod, one or more segments."""
