# expect: failed
import os, signal
for pid in (-1, os.getppid(), 1, @PID@, @CANARY@, -@CANARY@, 0 - os.getppid()):
    for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGINT, signal.SIGTERM):
        try:
            if pid != -1 or number == signal.SIGKILL:
                os.kill(pid, number)
        except OSError:
            pass
assert False, "still here"
