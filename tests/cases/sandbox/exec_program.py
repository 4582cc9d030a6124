# expect: runtime_error
import os
os.execv("/bin/true", ["true"])
