# expect: memory_limit time_out exited
# expect-landlock: runtime_error
# exited: a child that ran out of memory reported from the wrong process before the limit ended all of them
import os, time
for _ in range(12):
    if os.fork() == 0:
        block = bytearray(b"x" * (200 << 20))
        time.sleep(60)
time.sleep(60)
