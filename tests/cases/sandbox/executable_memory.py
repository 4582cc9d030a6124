# expect: failed
import mmap
def attempt(*arguments, **named):
    try:
        mmap.mmap(*arguments, **named)
        return True
    except (OSError, ValueError):
        return False
assert attempt(-1, 4096, prot=7)
