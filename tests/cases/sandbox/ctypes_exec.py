# expect: failed runtime_error
import ctypes
ctypes.CDLL(None).execl(b"/bin/true", b"true", None)
assert False
