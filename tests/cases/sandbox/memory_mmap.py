# expect: failed
import mmap
def attempt():
    try:
        mmap.mmap(-1, 8 << 30)
        return True
    except (OSError, ValueError):
        return False
assert attempt()
