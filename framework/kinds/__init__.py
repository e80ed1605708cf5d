"""Kinds of layers: what those share that are activations, recurrent, random, or slide windows over time."""
