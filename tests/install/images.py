"""The images that an installation needs, made of this machine's programs and of Python's packages.

They stand in for those of the registries, which tests cannot pull from: Airflow's official image
with Podlift in it, PostgreSQL's, git-sync's. Each takes the variables and arguments that the chart
gives to the real one. Every one of them runs as whichever user it is told to. git-sync is played by
a script, unless the variable GIT_SYNC names the program itself.
"""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.real import building
from tests.real.errors import RealClusterError
from tests.real.images import Layered
from tests.real.layers import add, add_programs, layer, linked, of_files, write

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
DAG = HERE / "dags" / "way.py"
_PROGRAMS = HERE / "programs"
_REQUIREMENTS = ROOT / "requirements" / "install.txt"
_MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
_LIBRARY = f"usr/local/lib/python{_MINOR}"
_BIN = ("PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "HOME=/tmp")
BAKED = "/opt/airflow/baked"
"""Where the image of Airflow has a DAG baked into it."""


def airflow() -> Layered:
    """Airflow with its providers for Git and S3, this Podlift, and a DAG baked in."""
    return Layered(
        "podlift.dev/install/airflow",
        layers=(_python(), _podlift()),
        user="50000",
        entrypoint=("/usr/local/bin/entrypoint",),
        environment=(*_BIN, "LD_LIBRARY_PATH=/usr/local/lib", "AIRFLOW_HOME=/opt/airflow"),
    )


def postgres() -> Layered:
    """PostgreSQL of the distribution, told by POSTGRES_USER, _PASSWORD and _DB as the official."""
    return Layered(
        "podlift.dev/install/postgres",
        layers=(_postgres(),),
        user="999",
        entrypoint=("/usr/local/bin/postgres-entrypoint",),
        environment=_BIN,
    )


def git_sync() -> Layered:
    """What git-sync does with the variables that the chart sets, by git of the distribution."""
    return _git("podlift.dev/install/git-sync", "git-sync")


def git_server() -> Layered:
    """A Git server by ssh, for whoever has the key that it is given."""
    return _git("podlift.dev/install/git-server", "git-server")


def s3() -> Layered:
    """An S3 server whose buckets are folders of /data."""
    program = building.s3_server() / "versitygw"

    def fill(root: Path) -> None:
        add(root, program, Path("/usr/local/bin/versitygw"))
        (root / "data" / "logs").mkdir(parents=True)

    return Layered(
        "podlift.dev/install/s3",
        layers=(layer("s3", [str(program)], fill), _shell()),
        user="1000",
        entrypoint=("/usr/local/bin/versitygw",),
        environment=_BIN,
    )


def _git(reference: str, program: str) -> Layered:
    return Layered(
        reference,
        layers=(_git_layer(), _shell(), _programs()),
        user="65533",
        entrypoint=(f"/usr/local/bin/{program}",),
        environment=_BIN,
    )


def _python() -> Path:
    """Python, the packages, and the programs that Airflow's official image has and DAGs need."""
    base = Path(sys.base_prefix)

    def fill(root: Path) -> None:
        source = base / "lib" / f"python{_MINOR}"
        unwanted = ("site-packages", "test", "idlelib", "tkinter", "ensurepip", "config-*")
        ignored = shutil.ignore_patterns(*unwanted, "__pycache__")
        shutil.copytree(source, root / _LIBRARY, ignore=ignored, symlinks=True)
        python = base / "bin" / f"python{_MINOR}"
        add(root, python, Path(f"/usr/local/bin/python{_MINOR}"))
        for name in ("python", "python3"):
            (root / "usr/local/bin" / name).symlink_to(f"python{_MINOR}")
        packages = root / _LIBRARY / "site-packages"
        packages.mkdir()
        _install(packages, "--require-hashes", f"--requirements={_without_podlift(root)}")
        (root / "requirements.txt").unlink()
        compiled = ("-m", "compileall", "-qq", "-j", "2", str(root / _LIBRARY))
        subprocess.run([sys.executable, *compiled], capture_output=True, check=False)
        for library in linked([python, *(root / _LIBRARY).rglob("*.so*")]):
            if library.is_relative_to(root):
                continue  # a package's own, which it finds where it is
            own = library.is_relative_to(base)
            add(root, library, Path("/usr/local/lib") / library.name if own else library)
        _fill_git(root)
        _fill_shell(root)

    return layer(
        "python",
        [sys.version, str(base), _REQUIREMENTS.read_text(), _code(fill, _fill_git, _fill_shell)],
        fill,
    )


def _podlift() -> Path:
    def fill(root: Path) -> None:
        packages = root / _LIBRARY / "site-packages"
        packages.mkdir(parents=True)
        _install(packages, "--no-deps", "--compile-bytecode", str(ROOT))
        shutil.rmtree(packages / "bin", ignore_errors=True)
        for name in ("entrypoint", "airflow"):
            add(root, _PROGRAMS / name, Path(f"/usr/local/bin/{name}"))
        add(root, DAG, Path(BAKED) / "baked.py")
        for name in ("logs", "dags"):
            (root / "opt/airflow" / name).mkdir()

    own = of_files(ROOT / "src" / "podlift", ROOT / "pyproject.toml", DAG, _PROGRAMS)
    return layer("podlift", [*own, _MINOR, _code(fill)], fill)


def _without_podlift(folder: Path) -> Path:
    lines = _REQUIREMENTS.read_text().splitlines()
    start = next(index for index, line in enumerate(lines) if "==" in line)
    file = folder / "requirements.txt"
    file.write_text("\n".join(lines[start:]))
    return file


def _install(packages: Path, *what: str) -> None:
    # Bytecode names its source by time and size, which the layer keeps.
    uv = Path(sys.prefix) / "bin" / "uv"
    command = [str(uv), "pip", "install", "--quiet", f"--python={sys.executable}"]
    done = subprocess.run(
        [*command, "--link-mode=copy", f"--target={packages}", *what],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    if done.returncode != 0:
        raise RealClusterError(f"uv does not install what the image needs: {done.stderr}")


def _postgres() -> Path:
    homes = sorted(Path("/usr/lib/postgresql").glob("*"), key=lambda path: int(path.name))
    if not homes:
        raise RealClusterError("PostgreSQL is missing: apt install postgresql")
    home = homes[-1]
    share = Path("/usr/share/postgresql") / home.name

    def fill(root: Path) -> None:
        for folder in (home, share):
            # Compiling queries brings 130 MB and nothing that tests need.
            compiler = shutil.ignore_patterns("bitcode", "llvmjit*")
            shutil.copytree(folder, root / folder.relative_to("/"), ignore=compiler)
        shutil.copytree("/usr/share/zoneinfo", root / "usr/share/zoneinfo", symlinks=True)
        for program in sorted((home / "bin").iterdir()):
            link = root / "usr/local/bin" / program.name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(program)
        modules = (each for each in (home / "lib").glob("*.so") if "llvm" not in each.name)
        for library in linked([*(home / "bin").iterdir(), *modules]):
            add(root, library, library)
        add(root, _PROGRAMS / "postgres-entrypoint", Path("/usr/local/bin/postgres-entrypoint"))
        _fill_shell(root)

    version = (home / "bin" / "postgres").stat()
    return layer(
        "postgres", [str(home), str(version), *of_files(_PROGRAMS), _code(fill, _fill_shell)], fill
    )


def _git_layer() -> Path:
    return layer(
        "git", [_stat("/usr/bin/git"), _stat("/usr/sbin/sshd"), _code(_fill_git)], _fill_git
    )


def _shell() -> Path:
    return layer("shell", [_stat(_busybox()), _code(_fill_shell)], _fill_shell)


def _programs() -> Path:
    git_sync = Path(os.environ.get("GIT_SYNC") or _PROGRAMS / "git-sync")

    def fill(root: Path) -> None:
        add(root, git_sync, Path("/usr/local/bin/git-sync"))
        add(root, _PROGRAMS / "git-server", Path("/usr/local/bin/git-server"))

    return layer("programs", of_files(_PROGRAMS, git_sync), fill)


def _fill_git(root: Path) -> None:
    """Git, the ssh client and server, and what makes them trust the usual certificates."""
    core = Path("/usr/lib/git-core")
    programs = [Path(f"/usr/bin/{name}") for name in ("git", "ssh", "ssh-keygen", "ssh-keyscan")]
    programs.append(Path("/usr/sbin/sshd"))
    missing = [program for program in programs if not program.exists()]
    if missing or not core.is_dir():
        raise RealClusterError("git or ssh is missing: apt install git openssh-server")
    add_programs(root, *programs)
    shutil.copytree(core, root / core.relative_to("/"), symlinks=True)
    add_programs(root, *(path for path in core.glob("git-remote-http*") if not path.is_symlink()))
    shutil.copytree("/usr/share/git-core", root / "usr/share/git-core", symlinks=True)
    for name in ("git-upload-pack", "git-receive-pack"):
        (root / "usr/bin" / name).symlink_to("git")
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    add(root, certificates, certificates)


def _fill_shell(root: Path) -> None:
    """A shell and the usual small programs, and the users that the images run as."""
    busybox = _busybox()
    add(root, busybox, Path("/bin/busybox"))
    listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
    for name in listed.stdout.split():
        if not (link := root / "bin" / name).exists():
            link.symlink_to("busybox")
    (root / "bin/bash").unlink(missing_ok=True)
    (root / "bin/bash").symlink_to("busybox")
    users = {"root": 0, "postgres": 999, "git": 1000, "airflow": 50000, "git-sync": 65533}
    entries = [f"{name}:x:{uid}:0::/tmp:/bin/sh" for name, uid in users.items()]
    write(root, "/etc/passwd", "\n".join(entries) + "\n")
    # PostgreSQL asks for the files of this locale.
    locale = Path("/usr/lib/locale/C.utf8")
    shutil.copytree(locale, root / locale.relative_to("/"), dirs_exist_ok=True)
    write(root, "/etc/group", "root:x:0:\npostgres:x:999:\n")
    for folder in ("tmp", "proc", "sys", "dev", "run", "var/run"):
        (root / folder).mkdir(parents=True, exist_ok=True)


def _busybox() -> Path:
    program = shutil.which("busybox")
    if program is None:
        raise RealClusterError("busybox is missing: apt install busybox-static")
    return Path(program)


def _stat(path: str | Path) -> str:
    if not os.path.exists(path):
        raise RealClusterError("git or ssh is missing: apt install git openssh-server")
    found = os.stat(path)
    return f"{path} {found.st_size} {found.st_mtime_ns}"


def _code(*functions: Callable[..., object]) -> str:
    """The instructions themselves: a layer is made anew when they change."""
    return "".join(inspect.getsource(each) for each in (*functions, _install))


@dataclass(frozen=True)
class Loaded:
    """The images as the node knows them."""

    airflow: str
    postgres: str
    git_sync: str
    git_server: str
    s3: str

    @classmethod
    def of(cls, load: Callable[[Layered], str]) -> Loaded:
        """Make all of them and have each loaded by ``load``, which gives its reference."""
        return cls(
            *(load(image) for image in (airflow(), postgres(), git_sync(), git_server(), s3()))
        )
