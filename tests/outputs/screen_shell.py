"""As little of a shell as Ctrl-Z needs: runs its arguments in the foreground of the terminal on standard input.

Leads the session; after a stop it waits for a line of input and lets the program go on.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import termios

os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
program = os.fork()
# Whoever comes first: both sides do it, so that neither runs ahead.
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
group = program or os.getpid()
with contextlib.suppress(PermissionError):  # the child came first, and is another program by now
    os.setpgid(program, group)
os.tcsetpgrp(0, group)
if program == 0:
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - starting programs is all that a shell does

while True:
    _, status = os.waitpid(program, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        break
    os.tcsetpgrp(0, os.getpgrp())
    echo = bool(termios.tcgetattr(0)[3] & termios.ECHO)
    os.write(1, f"stopped, echo={echo}\n".encode())
    os.read(0, 100)
    os.tcsetpgrp(0, program)
    os.kill(program, signal.SIGCONT)

if os.WIFSIGNALED(status):
    signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
    os.kill(os.getpid(), os.WTERMSIG(status))
sys.exit(os.waitstatus_to_exitcode(status))
