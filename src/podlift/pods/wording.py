"""Small pieces of the sentences in which a pod's fate is told."""

from __future__ import annotations

_LONGEST_QUOTE = 600

# Numbers of Linux, where containers run, and not those of the machine that reads the status.
_SIGNALS = (
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
)
_LAST_SIGNAL = 64  # the real-time signals end here


def signal_name(number: int) -> str:
    """``SIGKILL`` for 9; ``signal 40`` for one that has no name of its own."""
    return _SIGNALS[number - 1] if 0 < number <= len(_SIGNALS) else f"signal {number}"


def kill_signal(exit_code: int, signal: int | None = None) -> str | None:
    """Name the signal that ended a process: as reported, or by the rule of exit code 128+n."""
    if signal:
        return signal_name(signal)
    return signal_name(exit_code - 128) if 128 < exit_code <= 128 + _LAST_SIGNAL else None


def tidy(message: str) -> str:
    """One line without needless white space; of a long message its end, where the reason stands."""
    line = " ".join(message.split())
    return line if len(line) <= _LONGEST_QUOTE else f"… {line[-_LONGEST_QUOTE:]}"


def quote(message: str) -> str:
    """``: message`` to go into a sentence before its full stop; nothing for an empty message."""
    words = tidy(message).rstrip(".")
    return f": {words}" if words else ""
