"""Hostile input made at random, and what became of it."""
