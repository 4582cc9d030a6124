# expect: failed
import os
def read(path):
    try:
        return open(path, "rb").read()
    except OSError:
        return b""
text = repr(dict(os.environ)).encode() + b"".join(read("/proc/%s/environ" % p) for p in ("self", "1", os.getppid(), "@PID@"))
assert b"@SECRET@" in text
