"""Face-swap engines behind one small protocol."""
