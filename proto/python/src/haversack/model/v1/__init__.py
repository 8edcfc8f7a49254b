"""Generated from the contract; see its .proto."""
