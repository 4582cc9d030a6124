# expect: exited
import os
read, write = os.pipe()
for fd in range(3, 64):
    if fd not in (read, write):
        try:
            os.fstat(fd)
            os.dup2(write, fd)
        except OSError:
            pass
os._exit(0)
