"""Training data: read, padded, checked and shaped; and the data sets that ship with Lamina."""
