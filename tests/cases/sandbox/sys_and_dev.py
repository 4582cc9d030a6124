# expect: failed
import os
def usable(path):
    try:
        os.close(os.open(path, os.O_RDONLY))
        return True
    except OSError:
        return False
assert any(usable(p) for p in ("/sys", "/sys/class", "/dev/shm", "/dev/mem", "/dev/kmsg", "/dev/tty", "/dev/pts", "/dev/vda"))
