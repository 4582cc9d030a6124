# expect: time_out
# expect-landlock: runtime_error
import os, signal
os.kill(os.getpid(), signal.SIGSTOP)
