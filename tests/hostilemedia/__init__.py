"""Media that is damaged, or made to do harm."""
