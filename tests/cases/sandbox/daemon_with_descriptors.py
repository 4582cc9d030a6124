# expect: failed
# expect-landlock: runtime_error
import os, time
for _ in range(5):
    if os.fork() == 0:
        os.setsid()
        for fd in range(0, 64):
            try:
                os.dup2(fd, 63 - fd)
            except OSError:
                pass
        while True:
            time.sleep(0.01)
assert False
