"""The demo: a real talking head, a real photo, the whole job on this machine."""
