"""Write the lock files: what sotto needs by version and SHA-256, for Linux and macOS and every Python that we support.

`make lock` calls it with the uv of the virtual environment on the path. Without arguments the newest versions that
pyproject.toml allows are taken; with `--keep` only what it forces to change.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / ".ci" / "locks"
BUILD = ["pip>=25.0", "setuptools>=77"]
"""What installs the rest: an old pip does not keep what it compiled by hash, and srt, which vosk needs, is packed by
setuptools."""
LLAMA_BUILD = ["scikit-build-core[pyproject]>=0.10", "cmake>=3.21", "ninja>=1.11"]
"""What llama-cpp-python is compiled with, beside a compiler."""
EVERYWHERE = " ; sys_platform == 'darwin' or sys_platform == 'linux'"


def main() -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    keep = "--keep" in sys.argv[1:]
    LOCKS.mkdir(exist_ok=True)
    # Whatever is also needed to run has the version that runs: each lock is bound by those before it.
    lock("run", project["project"]["dependencies"], [], keep)
    lock("build", [*project["build-system"]["requires"], *BUILD], ["run"], keep)
    lock("dev", extras["dev"], ["run", "build"], keep)
    lock("llama-build", LLAMA_BUILD, ["run", "build"], keep)
    lock("llama", extras["llama"], ["run", "dev"], keep)
    return 0


def lock(name: str, requirements: list[str], bound_by: list[str], keep: bool) -> None:
    """Resolve `requirements` into the lock `name`."""
    file = LOCKS / f"{name}.lock"
    if not keep:
        file.unlink(missing_ok=True)
    command = ["uv", "pip", "compile", "-", "--universal", "--python-version", "3.11", "--generate-hashes"]
    command += ["--no-emit-index-url", "--no-header", "--no-annotate", "--quiet", "--output-file", str(file)]
    for other in bound_by:
        command += ["--constraints", str(LOCKS / f"{other}.lock")]
    subprocess.run(command, cwd=ROOT, check=True, text=True, input="\n".join(requirements), stdout=subprocess.DEVNULL)
    # The lock is for these two systems anyway (tool.uv.environments): saying so at every package hides what differs.
    text = file.read_text(encoding="utf-8").replace(EVERYWHERE, "")
    if "://" in text:
        sys.exit(f"{file} holds an address; a lock is names, versions and hashes")
    file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
