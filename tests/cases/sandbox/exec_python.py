# expect: runtime_error
import os, sys
os.execv(sys.executable, [sys.executable, "-c", "pass"])
