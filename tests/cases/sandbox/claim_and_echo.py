# expect: exited
# Knows the protocol: claims the end, reads the nonce that should come back, returns it.
import os, select
for fd in range(3, 64):
    try:
        os.fstat(fd)
        os.write(fd, b"1")
        ready, _, _ = select.select([fd], [], [], 1)
        if ready:
            os.write(fd, os.read(fd, 64))
    except OSError:
        pass
os._exit(0)
