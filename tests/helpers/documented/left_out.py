"""The commands of the documentation that no test can run, and why; one that no page has any more fails a test.

A pattern that ends with "*" is the beginning of commands. The words of those that are ours are read all the same, so
that an option which there is not is found.
"""

LEFT_OUT = {
    "git clone *": "needs the network and the address of the repository",
    "source .venv/bin/activate": "changes a terminal",
    ".venv/bin/*": "what make test and git hooks do: this suite",
    "ruff *": "what make lint does",
    "pytest *": "this suite itself",
    "apt install *": "changes the machine",
    "dnf install *": "changes the machine",
    "brew install *": "changes the machine",
    "conda install *": "changes the machine",
    "python setup.py build_ext --inplace": "compiles into the checkout; make does it before the tests",
    "python tools/model_zoo.py": "counts 190 networks and writes into the checkout; tests/zoo compares what it wrote",
    "python tools/model_zoo.py measure *": "writes its figure into the checkout; tests/zoo measures into a copy",
    "python -m benchmarks.*": "takes minutes and writes into benchmarks/; tests/engine runs their loops",
    "if [ -e runs/mine/unfinished ]*": "needs SLURM",
    "DEVICE=cpu benchmarks/gpu_suite.sh": "takes ten minutes",
}

# Pages whose blocks another test runs.
RUN_ELSEWHERE = {"docs/EXTEND.md": "tests/docs/test_extend.py"}


def reason(text: str) -> str | None:
    """Return why a command is left out, None if it is not."""
    return next((why for pattern, why in LEFT_OUT.items() if fits(pattern, text)), None)


def fits(pattern: str, text: str) -> bool:
    """Tell whether a pattern means a command."""
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern
