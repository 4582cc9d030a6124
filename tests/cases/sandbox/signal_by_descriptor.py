# expect: failed
import fcntl, os, signal
def attempt():
    read, write = os.pipe()
    try:
        fcntl.fcntl(read, fcntl.F_SETOWN, os.getppid())
        fcntl.fcntl(read, 10, signal.SIGKILL)
        fcntl.fcntl(read, fcntl.F_SETFL, os.O_ASYNC)
        return True
    except OSError:
        return False
assert attempt()
