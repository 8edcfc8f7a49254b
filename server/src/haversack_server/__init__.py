"""Haversack's server: the control plane in Python, and the Rust core as `haversack_server._core`.

The arrows: `cli` and `demo` -> `runtime` -> `admin` -> `publishing` -> `stagings`, `catalog`, `metadata` -> `errors`.
"""
