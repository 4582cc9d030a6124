# expect: failed
import os
open("file", "w").close()
def escaped(target):
    try:
        os.rename("file", target)
        return True
    except OSError:
        return False
assert any(escaped(t) for t in ("@SECRET_DIR@/file", "/usr/lib/file", "../file"))
