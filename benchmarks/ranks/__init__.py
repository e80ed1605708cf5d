"""Several ranks beside one process: what a step takes, what of it is messages, and what that says of a thousand."""
