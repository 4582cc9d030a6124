# expect: failed
import os
def changed(path):
    for attempt in (lambda: os.chmod(path, 0o777), lambda: os.utime(path), lambda: os.chown(path, 0, 0)):
        try:
            attempt()
            return True
        except OSError:
            pass
    return False
assert any(changed(p) for p in ("@SECRET_FILE@", "@SECRET_DIR@", os.__file__, "/usr/lib"))
