"""Numbers raised by hand when the meaning of stored bytes changes, so that nothing stale is ever reused."""

SPLITTER_VERSION = 8
"""Raised when the same source could be cut differently, or a plan reads differently."""

PIXEL_VERSION = {"Passthrough": 1, "Mesh": 3, "InSwapper": 2}
"""Raised for an engine when its pixels change. Split pins it; a worker of another version refuses the job."""
