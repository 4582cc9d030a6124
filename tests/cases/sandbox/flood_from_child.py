# expect: output_limit
# expect-landlock: runtime_error
import os, time
if os.fork() == 0:
    while True:
        os.write(2, b"x" * 65536)
time.sleep(60)
