"""The contract that the controller and the segment worker share, and the command line."""
