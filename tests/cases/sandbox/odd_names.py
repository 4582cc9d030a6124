# expect: failed
import os
os.mkdir("locked")
open("locked/file", "w").close()
for name in (b"\xff\xfe", b"-rf", b"a\nb", b" "):
    open(name, "w").close()
try:
    os.chmod("locked", 0)
except OSError:
    pass
assert False
