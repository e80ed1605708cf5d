"""What is made of layers: chains, branches, both directions, wiring by hand, and streams through them."""
