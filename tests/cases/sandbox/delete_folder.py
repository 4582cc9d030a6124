# expect: failed
import os
def attempt():
    try:
        os.rmdir(os.getcwd())
        return True
    except OSError:
        return False
assert attempt() and False
