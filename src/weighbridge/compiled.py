"""The hot modules as machine code, where a build of exactly these sources lies in `_compiled/`; plain Python elsewhere.

`build_compiled.py` makes the build and its manifest. A finder serves those modules from it, all or none: the manifest
is read when the package is imported; sources and libraries are compared with it when the first of the modules is.
"""

from __future__ import annotations

import os
import sys
from abc import ABCMeta
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec, SourceFileLoader
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Final, NamedTuple

PACKAGE: Final = Path(__file__).parent
PURE: Final = "WEIGHBRIDGE_PURE"
FOLDER: Final = "_compiled"
MANIFEST: Final = "manifest"
SUFFIX: Final = EXTENSION_SUFFIXES[0]
TAG: Final = f"{SUFFIX.strip('.').removesuffix('.so')} {sys.platform}"
GROUP: Final = "weighbridge__mypyc"
"""The library that holds all code. The others, one a module, are doors to it; they import it by this name."""
_FIRST_LINE: Final = "weighbridge compiled 1"
_HEADS: Final = frozenset({"tag", "compiler", "recipe", "folder"})


class Unfit(Exception):
    """No build that may be used here, and why. `fault`: there is one, and it should be mended."""

    def __init__(self, says: str, *, fault: bool = True) -> None:
        super().__init__(says)
        self.fault = fault


class Status(NamedTuple):
    """What `weighbridge doctor` tells."""

    in_use: bool
    says: str
    fault: bool = False


class Manifest(NamedTuple):
    """What a build was made for, from and into. Digests are SHA-256."""

    tag: str
    compiler: str
    recipe: str
    folder: str
    libraries: dict[str, str]
    """By the name of the module."""
    sources: dict[str, str]
    """By path within the package: the modules, and all that they import from the package."""

    @classmethod
    def read(cls, package: Path) -> Manifest:
        try:
            lines = (package / FOLDER / MANIFEST).read_text("utf-8").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            raise Unfit("nothing is compiled", fault=False) from None
        except (OSError, UnicodeDecodeError) as error:
            raise Unfit(f"the manifest of the compiled modules cannot be read: {error}") from None
        heads: dict[str, str] = {}
        tables: dict[str, dict[str, str]] = {"library": {}, "source": {}}
        for line in lines[1:]:
            word, _, rest = line.partition(" ")
            if word in tables:
                name, _, digest = rest.rpartition(" ")
                tables[word][name] = digest
            else:
                heads[word] = rest
        whole = lines[:1] == [_FIRST_LINE] and heads.get("end") == str(len(lines)) and GROUP in tables["library"]
        if not whole or not heads.keys() >= _HEADS:
            raise Unfit("the manifest of the compiled modules is damaged")
        return cls(**{head: heads[head] for head in _HEADS}, libraries=tables["library"], sources=tables["source"])

    def text(self) -> str:
        lines = [_FIRST_LINE, f"tag {self.tag}", f"compiler {self.compiler}"]
        lines += [f"recipe {self.recipe}", f"folder {self.folder}"]
        lines += [f"library {name} {digest}" for name, digest in self.libraries.items()]
        lines += [f"source {path} {digest}" for path, digest in self.sources.items()]
        return "\n".join([*lines, f"end {len(lines) + 1}", ""])

    def library(self, package: Path, name: str) -> Path:
        return package / FOLDER / self.folder / f"{name}{SUFFIX}"

    def check(self, package: Path) -> None:
        """Raises Unfit unless it is for this Python, and every source and library is as it was."""
        if self.tag != TAG:
            raise Unfit(f"compiled for {self.tag}, and this is {TAG}")
        for path, digest in self.sources.items():
            if _digest(package / path) != digest:
                raise Unfit(f"{path} is no longer what was compiled")
        for name, digest in self.libraries.items():
            if _digest(self.library(package, name)) != digest:
                raise Unfit(f"the library of {name} is missing or damaged")


class Loader(SourceFileLoader):
    """Runs a library, and answers about the source as the source's own loader does: for `inspect`, tracebacks, data."""

    def __init__(self, name: str, source: Path, library: Path, finder: Finder) -> None:
        super().__init__(name, str(source))
        self._library = ExtensionFileLoader(name, str(library))
        self._finder = finder

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._library.create_module(ModuleSpec(spec.name, self._library, origin=self._library.path))

    def exec_module(self, module: ModuleType) -> None:
        self._library.exec_module(module)
        self.dress(module)
        self._finder.dress()

    def dress(self, module: ModuleType) -> None:
        """Makes the module look as one of Python's own. Abstract classes get their own memory of `isinstance`: mypyc
        leaves them with their base's, where each would answer as any of them was answered once."""
        from _abc import _abc_init  # type: ignore[import-not-found]  # noqa: PLC0415 -- where mypyc ran, it is there

        module.__loader__, module.__file__ = self, self.path
        for each in list(vars(module).values()):
            if type(each) is ABCMeta and "_abc_impl" not in vars(each):
                _abc_init(each)


class Finder:
    """Stands before Python's own finders, and finds the modules of a build that fits."""

    def __init__(self, package: Path, manifest: Manifest) -> None:
        self.manifest = manifest
        self._package = package
        self._lock = RLock()
        self._unfit: Unfit | None = None
        self._examined = False

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if name not in self.manifest.libraries or self.unfit() is not None:
            return None
        loader = self._loader(name)
        spec = ModuleSpec(name, loader, origin=loader.path)
        spec.has_location = True
        return spec

    def _loader(self, name: str) -> Loader:
        source = self._package.parent.joinpath(*name.split(".")).with_suffix(".py")
        return Loader(name, source, self.manifest.library(self._package, name), self)

    def dress(self) -> None:
        """Modules of a build import each other past all finders and loaders: those that came so, too. One that is still
        on its way is left to whoever began it."""
        for name in self.manifest.libraries.keys() - {GROUP}:
            module = sys.modules.get(name)
            if module is None or isinstance(module.__loader__, Loader):
                continue
            if not getattr(module.__spec__, "_initializing", False):
                module.__spec__ = self.find_spec(name)
                self._loader(name).dress(module)

    def unfit(self) -> Unfit | None:
        """None where the build fits. Looked at once: what was loaded stays."""
        with self._lock:
            if not self._examined:
                self._unfit = self._examine()
                self._examined = True
        return self._unfit

    def _examine(self) -> Unfit | None:
        """The code itself is loaded here, so that a library that this machine refuses is found before any module is."""
        try:
            self.manifest.check(self._package)
            loader = ExtensionFileLoader(GROUP, str(self.manifest.library(self._package, GROUP)))
            group = loader.create_module(ModuleSpec(GROUP, loader, origin=loader.path))
            loader.exec_module(group)
        except Unfit as unfit:
            return unfit
        except (ImportError, OSError) as error:
            return Unfit(f"the library cannot be loaded: {error}")
        sys.modules[GROUP] = group
        return None


def offer(package: Path = PACKAGE) -> None:
    """Called once, when the package is imported."""
    try:
        sys.meta_path.insert(0, Finder(package, _wanted(package)))
    except Unfit:
        return


def status() -> Status:
    """Whether the compiled modules are in use in this process, and why not."""
    finder = next((found for found in sys.meta_path if isinstance(found, Finder)), None)
    try:
        unfit = finder.unfit() if finder is not None else Unfit(f"begun before {_wanted(PACKAGE).folder} was built")
    except Unfit as error:
        unfit = error
    if finder is not None and unfit is None:
        return Status(True, f"{len(finder.manifest.libraries) - 1} modules in use, by {finder.manifest.compiler}")
    return Status(False, f"plain Python: {unfit}", fault=unfit is not None and unfit.fault)


def _wanted(package: Path) -> Manifest:
    if os.environ.get(PURE, "") not in {"", "0"}:
        raise Unfit(f"{PURE} is set", fault=False)
    manifest = Manifest.read(package)
    if manifest.tag != TAG:
        raise Unfit(f"compiled for {manifest.tag}, and this is {TAG}")
    return manifest


def _digest(path: Path) -> str:
    """Empty where it cannot be read."""
    from hashlib import sha256  # noqa: PLC0415 -- `weighbridge --help` needs none

    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
