"""The optimizer: its rule, the parameters side by side that it updates, and groups of them."""
