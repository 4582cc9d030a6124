# expect: exited
import os
os._exit(0)
assert False
