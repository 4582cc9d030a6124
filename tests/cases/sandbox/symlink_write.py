# expect: failed
import os
def escaped(target):
    try:
        os.symlink(target, "link")
        with open("link", "w") as file:
            file.write("x")
        return True
    except OSError:
        return False
    finally:
        if os.path.lexists("link"):
            os.unlink("link")
assert any(escaped(t) for t in ("@SECRET_FILE@", "@SECRET_DIR@/new", "/usr/lib/new"))
