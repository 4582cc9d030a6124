# expect: failed
import os
def truncated(path):
    for flags in (os.O_RDONLY | os.O_TRUNC, os.O_WRONLY | os.O_TRUNC):
        try:
            os.close(os.open(path, flags))
            return True
        except OSError:
            pass
    try:
        os.truncate(path, 0)
        return True
    except OSError:
        return False
assert any(truncated(p) for p in ("@SECRET_FILE@", os.__file__))
