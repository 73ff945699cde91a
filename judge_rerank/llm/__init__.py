"""Models: the protocol, the backends, and what it takes to ask them."""
