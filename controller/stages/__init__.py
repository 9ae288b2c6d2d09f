"""The two ends of the pipe, run as Jobs from the controller image: split and mux."""
