# expect: failed
# A program may lie about how it failed, never about passing.
import os
while True:
    for fd in range(3, 16):
        try:
            os.write(fd, b"A" * 4096)
        except OSError:
            pass
    os.write(9, b"")
    break
os._exit(0)
