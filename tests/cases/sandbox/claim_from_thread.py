# expect: exited
import os, threading, time
def cheat(fd):
    try:
        os.write(fd, b"1")
        os.write(fd, os.read(fd, 64))
    except OSError:
        pass
for fd in range(3, 64):
    threading.Thread(target=cheat, args=(fd,), daemon=True).start() if fd < 8 else None
time.sleep(0.5)
assert False
