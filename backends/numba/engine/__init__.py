"""The compiled engine: whole training steps as one call into machine code."""
