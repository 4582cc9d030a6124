# expect: exited
# expect-landlock: runtime_error
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        while True:
            time.sleep(0.01)
    os._exit(0)
raise SystemExit(0)
