"""Generates the contract's code: Python into proto/python/src, Rust into proto/rust/src/generated.

`make gen` runs this; `make check` runs it and fails if it leaves a difference.
"""

import subprocess
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

PROTO = Path(__file__).resolve().parent
PYTHON_OUT = PROTO / "python" / "src"
RUST_OUT = PROTO / "rust" / "src" / "generated"


def run_protoc(*options: str) -> None:
    """Runs protoc over every file of the contract; raises SystemExit if it refuses one."""
    includes = [f"-I{PROTO}", f"-I{resources.files('grpc_tools') / '_proto'}"]
    files = sorted(str(path.relative_to(PROTO)) for path in PROTO.glob("haversack/**/*.proto"))
    if protoc.main(["protoc", *includes, *options, *files]) != 0:
        raise SystemExit("protoc refused the contract; its message is above")


def clear(folder: Path) -> None:
    """Deletes generated files, so that none outlives its source."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in [*folder.rglob("*_pb2*"), *folder.glob("*.rs"), *folder.glob("*.bin")]:
        path.unlink()


def mark_packages(root: Path) -> None:
    """Makes every generated folder but the namespace itself a typed package."""
    for folder in (root / "haversack").rglob("v1"):
        (folder / "__init__.py").write_text('"""Generated from the contract; see its .proto."""\n')
        (folder / "py.typed").touch()


def main() -> None:
    """Generates everything."""
    clear(PYTHON_OUT)
    clear(RUST_OUT)
    run_protoc(f"--python_out={PYTHON_OUT}", f"--pyi_out={PYTHON_OUT}", f"--grpc_python_out={PYTHON_OUT}")
    mark_packages(PYTHON_OUT)
    descriptors = RUST_OUT / "descriptors.bin"
    run_protoc(f"--descriptor_set_out={descriptors}", "--include_imports")
    with tempfile.TemporaryDirectory() as scratch:
        with_comments = Path(scratch) / "descriptors.bin"
        run_protoc(f"--descriptor_set_out={with_comments}", "--include_imports", "--include_source_info")
        command: list[str | Path] = [
            "cargo",
            "run",
            "--quiet",
            "--locked",
            "-p",
            "haversack-proto-generate",
            "--",
            with_comments,
            RUST_OUT,
        ]
        subprocess.run(command, check=True, cwd=PROTO.parent)


if __name__ == "__main__":
    main()
