"""Training: the trainer, its loop, and what happens around the steps."""
