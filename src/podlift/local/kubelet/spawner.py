"""The process that starts all containers: single-threaded, small, and outlived by nothing.

The kubelet runs this file with ``python -I -S``. It forks quickly because it is small, may do
between fork and exec what a threaded program must not, and is the parent of every container: when
the cluster dies, however it dies, this process sees its socket close, kills what it started and
goes. Each child also asks the kernel to be killed with it.

Requests come as datagrams of JSON with file descriptors attached; the first descriptor of a
``spawn`` is a memory file that holds the request, because an environment may be larger than a
datagram. Answers are datagrams: ``{"id", "pid"}`` or ``{"id", "errno", "text"}`` once, then
``{"id", "status"}`` (as from waitpid) when the process ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import select
import signal
import socket
import sys
import termios
from typing import Any, NoReturn

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_NS_GET_USERNS = 0xB701
_CLONE_NEWNS = 0x00020000
_CLONE_NEWPID = 0x20000000
_CLONE_NEWUSER = 0x10000000

#: Each container carries its id in its environment, so that what escapes its process group is
#: still known for what it is.
MARKER = "PODLIFT_CONTAINER_ID"

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Serve the socket given as file descriptor number in the first argument."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Spawner(control).run()


class Spawner:
    """Starts, signals and reaps processes."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._ids: dict[int, int] = {}
        self._pids: dict[int, int] = {}
        self._markers: dict[int, str] = {}
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)

    def run(self) -> None:
        """Serve until the kubelet closes the socket, then kill what is left."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == self._wake_read:
                    os.read(self._wake_read, 4096)
                    self._reap()
                elif not self._serve():
                    self._end_all()
                    return

    def _serve(self) -> bool:
        data, fds, _, _ = socket.recv_fds(self._control, 65536, 8, socket.MSG_CMSG_CLOEXEC)
        if not data:
            return False
        request = json.loads(data)
        if request["op"] == "spawn":
            try:
                self._spawn(request["id"], fds)
            except OSError as error:  # no more processes or descriptors
                text = error.strerror or str(error)
                self._tell({"id": request["id"], "errno": error.errno or 0, "text": text})
            finally:
                for fd in fds:
                    os.close(fd)
        else:
            self._signal(request["id"], request["signal"], group=request["op"] == "signal-group")
        return True

    def _spawn(self, id_: int, fds: list[int]) -> None:
        spec = json.loads(os.pread(fds[0], os.fstat(fds[0]).st_size, 0))
        failure_read, failure_write = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            _become(spec, fds[1:], failure_write)
        os.close(failure_write)
        with os.fdopen(failure_read, "rb") as pipe:
            failure = pipe.read()
        if failure:
            os.waitpid(pid, 0)
            code, _, text = failure.decode().partition(" ")
            self._tell({"id": id_, "errno": int(code), "text": text})
            return
        self._ids[pid] = id_
        self._pids[id_] = pid
        self._markers[id_] = spec["env"].get(MARKER, "")
        self._tell({"id": id_, "pid": pid})

    def _signal(self, id_: int, number: int, *, group: bool) -> None:
        # A pid stays ours until it is waited for, so the number cannot mean another process.
        pid = self._pids.get(id_)
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, number) if group else os.kill(pid, number)

    def _reap(self) -> None:
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            pid = ended.si_pid
            id_ = self._ids.pop(pid, None)
            if id_ is None:
                os.waitpid(pid, 0)  # an orphan of a container's
                continue
            _kill_group(pid)
            _, status = os.waitpid(pid, 0)
            del self._pids[id_]
            marker = self._markers.pop(id_)
            if marker and marker not in self._markers.values():
                _kill_orphans(marker)
            self._tell({"id": id_, "status": status})

    def _end_all(self) -> None:
        for pid in self._ids:
            _kill_group(pid)
        for marker in set(self._markers.values()):
            _kill_orphans(marker)

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            self._control.send(json.dumps(message).encode())
        except (BrokenPipeError, ConnectionResetError):
            self._end_all()
            sys.exit(0)


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _kill_orphans(marker: str) -> None:
    """Kill the marked processes that became ours when their parents ended (daemons)."""
    wanted = f"{MARKER}={marker}".encode()
    while True:
        found = False
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
            children = [int(word) for word in file.read().split()]
        for pid in children:
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    marked = wanted in file.read().split(b"\0")
                if marked:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                    found = True
            except (FileNotFoundError, ProcessLookupError, PermissionError, ChildProcessError):
                continue
        if not found:
            return


def _become(spec: dict[str, Any], fds: list[int], failure: int) -> NoReturn:
    """In the child: turn into the program; tell *failure* if that cannot be."""
    try:
        _prepare(spec, fds)
        os.execve(spec["file"], spec["argv"], spec["env"])
    except OSError as error:
        os.write(failure, f"{error.errno or 0} {error.strerror or error}".encode())
    except ValueError as error:  # a NUL byte in an argument or variable
        os.write(failure, f"{errno.EINVAL} {error}".encode())
    finally:
        os._exit(127)


def _prepare(spec: dict[str, Any], fds: list[int]) -> None:
    os.setsid()
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    if hasattr(signal, "SIGXFSZ"):
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    for path in spec.get("cgroups", ()):
        with open(path, "w", encoding="ascii") as file:
            file.write("0")
    # Above every number that will be assigned, so that none is overwritten before it is copied.
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 64) for fd in fds]
    for target, fd in enumerate(high):
        os.dup2(fd, target, inheritable=True)
    if spec.get("enter"):
        _enter(spec["enter"])
        if spec.get("tty"):
            os.setsid()  # a shell wants to see its own session among the processes it can see
    if spec.get("tty"):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(spec["cwd"])
    os.umask(0o022)


def _enter(pid: int) -> None:
    """Step into the namespaces of *pid*, leaving the parent to pass on the exit status."""
    # Without root, bubblewrap makes a user namespace (or two, one in the other); the mounts belong
    # to the outer one, and only its member may step into them.
    mounts = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
    processes = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY)
    user = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
    own = os.stat("/proc/self/ns/user").st_ino
    owner = fcntl.ioctl(mounts, _NS_GET_USERNS)
    if os.fstat(owner).st_ino != own:
        _setns(owner, _CLONE_NEWUSER)
    _setns(processes, _CLONE_NEWPID)
    _setns(mounts, _CLONE_NEWNS)
    if os.fstat(user).st_ino not in (own, os.fstat(owner).st_ino):
        _setns(user, _CLONE_NEWUSER)
    child = os.fork()
    if child:
        _stand_in(child)
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _setns(fd: int, kind: int) -> None:
    if _libc.setns(fd, kind) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


def _stand_in(child: int) -> NoReturn:
    # Nothing of the parent may be kept open, or the other side never sees its end.
    os.closerange(0, 1024)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        os._exit(128 + os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status))


if __name__ == "__main__":
    main()
