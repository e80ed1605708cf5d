"""The proofs, one by one: what a layer, a loss or an optimizer must keep to."""
