"""Haversack's server: the control plane in Python, and the Rust core as `haversack_server._core`.

The arrows: `cli` and `demo` -> `runtime` -> `admin` -> `publishing` -> `stagings`, `catalog`, `metadata` -> `errors`.
`admin` also asks `security`, `audit` and `trust`, which know nothing of the services behind it.
"""
