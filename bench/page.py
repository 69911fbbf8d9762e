"""The page: what was promised, what was measured, and where the time goes."""
from pathlib import Path
from bench.results import Results
def write(results: Results) -> Path:
    return results.path.with_suffix(".md")
