# expect: failed
import os
def read(path):
    try:
        return open(path, "rb").read()
    except OSError:
        return b""
assert any(read("/proc/%s/%s" % (p, f)) for p in ("self", 1, os.getppid()) for f in ("cmdline", "maps", "mem", "fd/0", "status"))
