"""Compiles the hot modules with mypyc into src/weighbridge/_compiled/, where src/weighbridge/compiled.py finds them.

    python build_compiled.py [--optional] [--verbose]

Prints one line; does nothing where the build at hand is right. Ends with 1 where nothing could be built, with 0 under
--optional. Needs a C compiler, and mypy and setuptools beside this Python. Which modules: pyproject.toml says.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import pkgutil
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "src"))

import weighbridge  # noqa: E402 -- found beside this script, where nothing is installed yet
from weighbridge import compiled  # noqa: E402

_NAME: Final = compiled.GROUP.removesuffix("__mypyc")
_OPTIONS: Final = (f"--config-file={os.devnull}", "--ignore-missing-imports", "--explicit-package-bases")
_KEPT: Final = 2  # builds: a process that runs the one before may still load from it


class CannotBuildError(Exception):
    """One line for a person. `log`: what the compilers said."""

    def __init__(self, says: str, log: str = "") -> None:
        super().__init__(says)
        self.log = log


class Project:
    """A source tree: `pyproject.toml` with the list, and the package in `src/`."""

    def __init__(self, root: Path = ROOT) -> None:
        self.package = root / "src" / "weighbridge"
        listed = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
        self.modules: list[str] = listed["tool"]["weighbridge"]["compiled"]["modules"]

    def names(self) -> list[str]:
        return [f"weighbridge.{module.replace('/', '.')}" for module in self.modules]

    def is_current(self) -> bool:
        """The build at hand is what would be built now."""
        try:
            manifest = compiled.Manifest.read(self.package)
            manifest.check(self.package)
        except compiled.Unfit:
            return False
        made = (manifest.compiler, manifest.recipe, set(manifest.libraries))
        return made == (_compiler(), _recipe(), {compiled.GROUP, *self.names()})

    def files(self) -> list[Path]:
        """What goes into a wheel: the build at hand, without older ones."""
        manifest = compiled.Manifest.read(self.package)
        libraries = [manifest.library(self.package, name) for name in manifest.libraries]
        return [self.package / compiled.FOLDER / compiled.MANIFEST, *libraries]

    def build(self) -> str:
        """Makes sure of a build that fits, and says so in a line. Raises CannotBuildError."""
        if self.is_current():
            return f"{len(self.modules)} modules, as they were"
        _demand_tools()
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="weighbridge-compile-") as made:
            copy = Path(made, "src", "weighbridge")
            shutil.copytree(self.package, copy, ignore=shutil.ignore_patterns(compiled.FOLDER, "__pycache__"))
            shutil.copy(__file__, made)
            manifest = self._compile(copy)
            _put(manifest, copy, self.package)
        size = sum(file.stat().st_size for file in self.files())
        took = time.monotonic() - began
        return f"{len(self.modules)} modules by {manifest.compiler} in {took:.0f} s, {size / 1e6:.1f} MB"

    def _compile(self, copy: Path) -> compiled.Manifest:
        """Builds and tries a copy of the package, which nobody changes meanwhile."""
        files = [f"weighbridge/{module}.py" for module in self.modules]
        if missing := [file for file in files if not (copy.parent / file).is_file()]:
            raise CannotBuildError(f"pyproject.toml lists {missing[0]}, and it is not there")
        _run("--here", files, copy.parent)
        sources = sorted(str(path.relative_to(copy)) for path in closure(copy.parent, files))
        libraries = {name: copy.parent / "out" / _file(name) for name in [compiled.GROUP, *self.names()]}
        digests = {name: _digest(path) for name, path in libraries.items()}
        folder = sha256("\n".join(digests.values()).encode()).hexdigest()[:16]
        manifest = compiled.Manifest(
            compiled.TAG, _compiler(), _recipe(), folder, digests, {path: _digest(copy / path) for path in sources}
        )
        for name, path in libraries.items():
            place = manifest.library(copy, name)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.rename(place)
        (copy / compiled.FOLDER / compiled.MANIFEST).write_text(manifest.text(), "utf-8")
        _run("--try", self.names(), copy.parent)
        return manifest


def closure(base: Path, files: Sequence[str]) -> set[Path]:
    """These files, and all of the package that they import: mypyc takes types and constants from there."""
    found: set[Path] = set()
    ahead = [base / file for file in files]
    while ahead:
        path = ahead.pop()
        if path not in found:
            found.add(path)
            ahead += [file for name in _imports(path) for file in _files(base, name)]
    return found


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _files(base: Path, name: str) -> Iterator[Path]:
    """The modules on the way to a name within the package."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1 if parts[0] == "weighbridge" else 1):
        place = base.joinpath(*parts[:end])
        yield from (file for file in (place / "__init__.py", place.with_suffix(".py")) if file.is_file())


def _put(manifest: compiled.Manifest, copy: Path, package: Path) -> None:
    """Into place: a folder of its own name, then the manifest that names it, so that every moment has a whole build."""
    folder = package / compiled.FOLDER
    folder.mkdir(exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix="new-", dir=folder))
    staged.chmod(0o755)
    try:
        for name in manifest.libraries:
            library = manifest.library(copy, name)
            shutil.copyfile(library, staged / library.name)
        shutil.rmtree(folder / manifest.folder, ignore_errors=True)
        staged.rename(folder / manifest.folder)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    fresh = folder / f"{compiled.MANIFEST}.{os.getpid()}"
    fresh.write_text(manifest.text(), "utf-8")
    fresh.replace(folder / compiled.MANIFEST)
    builds = sorted((path for path in folder.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for old in [path for path in builds if path.name != manifest.folder][: -(_KEPT - 1)]:
        shutil.rmtree(old, ignore_errors=True)


def _file(name: str) -> str:
    return name.replace(".", "/") + compiled.SUFFIX


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _recipe() -> str:
    return _digest(Path(__file__))[:16]


def _compiler() -> str:
    try:
        return f"mypyc {version('mypy')}"
    except PackageNotFoundError:
        return ""


def _demand_tools() -> None:
    if not _compiler():
        raise CannotBuildError(f"no mypy beside {sys.executable}")
    command = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    if shutil.which(command[0]) is None:
        raise CannotBuildError(f"no C compiler ({command[0]})")
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        raise CannotBuildError("no headers of Python (Python.h)")


def _run(step: str, arguments: Sequence[str], folder: Path) -> None:
    """A step of this script, in the folder of a copy of the package; its output is kept for an error."""
    link = [word for word in shlex.split(sysconfig.get_config_var("LDSHARED") or "") if "-rpath" not in word]
    path = os.pathsep.join(
        filter(None, [str(folder), os.environ.get("PYTHONPATH")])
    )  # a build of a wheel needs its own
    env = {**os.environ, "PYTHONPATH": path, "MYPYPATH": str(folder), compiled.PURE: "0"}
    env |= {"LDSHARED": shlex.join(link)} if link else {}
    command = [sys.executable, str(folder.parent / Path(__file__).name), step, *arguments]
    done = subprocess.run(  # noqa: S603 -- our own words
        command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()] or ["no output"]
        errors = [line.removeprefix("error: ") for line in lines if "error: " in line] or lines[-1:]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise CannotBuildError(errors[0] + more, done.stdout)


def _compile_here(files: Sequence[str]) -> None:
    """In a process of its own, for setuptools and mypyc keep much to themselves: libraries of these files into out/."""
    from mypyc.build import mypycify  # noqa: PLC0415
    from setuptools import Distribution  # noqa: PLC0415
    from setuptools.command.build_ext import build_ext  # noqa: PLC0415

    extensions = mypycify([*_OPTIONS, *files], debug_level="0", group_name=_NAME, target_dir="c")
    for extension in extensions:
        extension.extra_compile_args += [f"-ffile-prefix-map={Path.cwd()}=."]
        extension.extra_link_args += ["-Wl,-s" if sys.platform == "linux" else "-Wl,-x"]
    command = build_ext(Distribution({"name": _NAME, "ext_modules": extensions}))
    command.build_lib, command.build_temp = "out", "objects"
    command.ensure_finalized()
    command.run()


def _try(names: Sequence[str]) -> None:
    """In a process that runs what was built: every module loads, and no class stands where mypyc lets none stand."""
    for name in names:
        importlib.import_module(name)
    found = compiled.status()
    if not found.in_use:
        raise CannotBuildError(found.says)
    for module in pkgutil.walk_packages(weighbridge.__path__, "weighbridge."):
        if not module.name.endswith("__main__"):
            with suppress(ImportError):  # of something optional
                importlib.import_module(module.name)
    if bare := [name for name in names if not str(sys.modules[name].__file__).endswith(".py")]:
        raise CannotBuildError(
            f"{bare[0]} was imported in a function: another compiled module does so at its top, or none"
        )
    refused = [line for name in names for base in _classes(name) for line in _refused(base)]
    if refused:
        raise CannotBuildError("\n".join(refused))


def _classes(name: str) -> list[type]:
    found = vars(sys.modules[name]).values()
    return [each for each in found if isinstance(each, type) and each.__module__ == name]


def _refused(base: type) -> Iterator[str]:
    """By itself it would be said where an object is made, and not before."""
    make: Any = base.__new__
    below: type
    for below in base.__subclasses__():
        try:
            make(below)
        except TypeError as error:
            if "interpreted classes cannot inherit" in str(error):
                name = f"{below.__module__}.{below.__name__}"
                yield f"error: {name} is plain Python, and its base {base.__name__} compiled"


def main() -> int:
    parser = argparse.ArgumentParser(description="Compiles the hot modules of Weighbridge.")
    parser.add_argument("--optional", action="store_true", help="end with 0 where nothing could be built")
    parser.add_argument("--verbose", action="store_true", help="show what the compilers said, where they failed")
    parser.add_argument("--here", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--try", nargs="+", help=argparse.SUPPRESS, dest="names")
    options = parser.parse_args()
    try:
        if options.here:
            _compile_here(options.here)
        elif options.names:
            _try(options.names)
        else:
            print(f"compiled: {Project().build()}")
    except CannotBuildError as error:
        if options.names:
            sys.exit(str(error))
        if options.verbose and error.log:
            print(error.log, file=sys.stderr)
        print(f"not compiled, plain Python runs: {error}", file=sys.stderr)
        return 0 if options.optional else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
