"""Runs the first example of the README with what is installed, against a provider on loopback. For `make newest`.

The example has to print something, and to leave nothing on standard error: no warning, no connection that is open.
"""

import ast
import os
import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))  # for the provider; the package itself is the one that is installed

from tests.provider import Provider, QrelsJudge  # noqa: E402

SETTINGS = ("PYTHONPATH", "JUDGE_RERANK_MODEL", "JUDGE_RERANK_TRACE", "JUDGE_RERANK_STORE", "JUDGE_RERANK_BUDGET_USD")


def main() -> int:
    """0 where the example runs."""
    found = re.search(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    if found is None:
        sys.stderr.write("README.md has no example in Python.\n")
        return 1
    named = ("judge-rerank", "litellm", "openai", "aiohttp", "pydantic", "typer", "rich")
    print("with", ", ".join(f"{package} {version(package)}" for package in named))
    # What the example ranks are its sentences; it asks who wrote the novel.
    texts = (node.value for node in ast.walk(ast.parse(found[1])) if isinstance(node, ast.Constant))
    grades = {text: 3 * ("Herbert" in text) for text in texts if isinstance(text, str) and text.endswith(".")}
    with Provider(QrelsJudge(grades)) as provider, tempfile.TemporaryDirectory() as folder:
        address = f"{provider.url}/v1"
        ours = {"OPENAI_API_KEY": "sk-loopback", "OPENAI_API_BASE": address, "OPENAI_BASE_URL": address}
        kept = {name: value for name, value in os.environ.items() if name not in SETTINGS}
        done = subprocess.run(
            [sys.executable, "-c", found[1]],
            cwd=folder,
            env={**kept, **ours, "JUDGE_RERANK_CACHE_DIR": folder},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    print(done.stdout, end="")
    sys.stderr.write(done.stderr)
    if done.returncode or done.stderr or not done.stdout:
        sys.stderr.write("The first example of the README does not run as it should with the newest releases.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
