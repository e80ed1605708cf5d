"""Checkpoints: what a training run needs to go on after its process has died, in files that are whole or not there."""
