# expect: exited
# expect-landlock: runtime_error
import os, time
if os.fork():
    time.sleep(0.3)
    os._exit(0)
