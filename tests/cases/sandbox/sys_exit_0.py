# expect: exited
import sys
def candidate():
    sys.exit(0)
candidate()
assert False
