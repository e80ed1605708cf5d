"""Training runs that are killed at random moments and gone on with: they must end in the same bits."""
