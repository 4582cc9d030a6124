# expect: memory_limit time_out
# expect-landlock: runtime_error
import os, time
for _ in range(12):
    if os.fork() == 0:
        block = bytearray(b"x" * (200 << 20))
        time.sleep(60)
time.sleep(60)
